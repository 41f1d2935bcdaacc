#include "daemon/api/field_reader.h"

#include <algorithm>
#include <utility>

#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxFound = 40;   // bytes of a wrong value that an error repeats
constexpr size_t kMaxParam = 160;  // bytes of a path, which may hold a client's key

}  // namespace

bool FieldReader::fail(const std::string& param, std::string message, std::string code) {
    if (!error)
        error = ApiError{400, "invalid_request_error", std::move(code), excerpt(param, kMaxParam),
                         std::move(message)};
    return false;
}

bool FieldReader::expected(const std::string& param, std::string_view what,
                           const JsonValue& found) {
    return fail(param, fmt::format("{}: expected {}, found {}", excerpt(param, kMaxParam), what,
                                   excerpt(found.raw(), kMaxFound)));
}

bool FieldReader::boolean(const std::string& param, const JsonValue& value, bool& out) {
    return value.get(out) || expected(param, "true or false", value);
}

bool FieldReader::number(const std::string& param, const JsonValue& value, double low, double high,
                         float& out) {
    double d = 0;
    if (!value.get(d) || !(d >= low && d <= high))
        return expected(param, fmt::format("a number from {} to {}", low, high), value);
    out = float(d);
    return true;
}

bool FieldReader::string(const std::string& param, const JsonValue& value, std::string& out) {
    return value.get(out) || expected(param, "a string", value);
}

bool FieldReader::identifier(const std::string& param, const JsonValue& value, size_t most,
                             std::string& out) {
    const auto visible = [](char c) { return c > ' ' && c < 0x7F; };
    if (!value.get(out) || out.empty() || out.size() > most ||
        !std::all_of(out.begin(), out.end(), visible))
        return expected(param, fmt::format("1 to {} visible ASCII characters", most), value);
    return true;
}

bool FieldReader::token_ids(const std::string& param, const JsonValue& value, size_t most,
                            std::vector<int32_t>& out) {
    if (!value.is_array()) return expected(param, "a list of token ids", value);
    for (const JsonValue element : value.elements()) {
        if (out.size() >= most)
            return fail(param, fmt::format("{}: expected at most {} ids", param, most));
        int64_t n = 0;
        int32_t id = 0;
        // A place's name is made only where it is needed: a prompt may have 100,000 ids.
        if (element.get(n) && n >= 0 && n < vocab_size_)
            id = int32_t(n);
        else if (!token_id(fmt::format("{}[{}]", param, out.size()), element, id))
            return false;
        out.push_back(id);
    }
    return true;
}

bool FieldReader::unsupported(std::string_view field, std::string_view instead) {
    return fail(std::string(field),
                fmt::format("{}: not supported by this server{}{}", field,
                            instead.empty() ? "" : "; ", instead),
                "unsupported_parameter");
}

}  // namespace qwend
