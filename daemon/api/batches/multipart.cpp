#include "daemon/api/batches/multipart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kMaxBoundary = 70;  // as RFC 2046 has it
constexpr size_t kMaxPartHead = 4 << 10;
constexpr size_t kMaxName = 512;  // bytes, of a field and of a file

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

std::string_view trimmed(std::string_view text) {
    const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    const size_t end = text.find_last_not_of(" \t");
    return end == text.npos ? std::string_view() : text.substr(begin, end + 1 - begin);
}

/// The value of a parameter, which begins at `text`; what is behind it is left in `text`.
std::optional<std::string> take_value(std::string_view& text) {
    std::string value;
    if (!text.starts_with('"')) {
        const size_t end = std::min(text.find(';'), text.size());
        value = trimmed(text.substr(0, end));
        text.remove_prefix(end);
        return value;
    }
    for (size_t i = 1; i < text.size(); i++) {
        if (text[i] == '"') {
            text.remove_prefix(i + 1);
            return value;
        }
        if (text[i] == '\\' && i + 1 < text.size()) i++;
        value += text[i];
    }
    return std::nullopt;
}

/// The value that a header's `key` has among the parameters behind its first ';'.
std::optional<std::string> parameter(std::string_view header, std::string_view key) {
    header.remove_prefix(std::min(header.find(';'), header.size()));
    while (!header.empty()) {
        header.remove_prefix(1);
        const size_t equals = header.find('=');
        if (equals == header.npos) return std::nullopt;
        const std::string name = lowered(trimmed(header.substr(0, equals)));
        header.remove_prefix(equals + 1);
        while (header.starts_with(' ') || header.starts_with('\t')) header.remove_prefix(1);
        auto value = take_value(header);
        if (!value || name == key) return value;
        header.remove_prefix(std::min(header.find(';'), header.size()));
    }
    return std::nullopt;
}

/// Reads the head of a part; what is wrong with it, or nothing.
std::string read_head(std::string_view head, FormPart& part) {
    while (!head.empty()) {
        const size_t end = std::min(head.find("\r\n"), head.size());
        const std::string_view line = head.substr(0, end);
        head.remove_prefix(std::min(end + 2, head.size()));
        const size_t colon = line.find(':');
        if (colon == line.npos || lowered(line.substr(0, colon)) != "content-disposition") continue;
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (!lowered(value.substr(0, value.find(';'))).starts_with("form-data"))
            return "a part is no form-data";
        part.name = parameter(value, "name").value_or("");
        const auto filename = parameter(value, "filename");
        part.has_filename = filename.has_value();
        part.filename = filename.value_or("");
    }
    if (part.name.empty()) return "a part has no name";
    if (part.name.size() > kMaxName || part.filename.size() > kMaxName)
        return fmt::format("a part's name is longer than {} bytes", kMaxName);
    return {};
}

std::variant<std::string, std::string_view> boundary_of(std::string_view content_type) {
    const std::string type = lowered(
        trimmed(content_type.substr(0, std::min(content_type.find(';'), content_type.size()))));
    if (type != "multipart/form-data")
        return std::string_view("expected Content-Type: multipart/form-data");
    const auto boundary = parameter(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > kMaxBoundary ||
        boundary->find_first_of("\r\n") != boundary->npos)
        return std::string_view("expected a boundary of 1 to 70 bytes in Content-Type");
    return *boundary;
}

}  // namespace

FormParts parse_multipart(std::string_view content_type, std::string_view body) {
    const auto boundary = boundary_of(content_type);
    if (const auto* error = std::get_if<std::string_view>(&boundary)) return std::string(*error);
    const std::string dashes = "--" + std::get<std::string>(boundary), mark = "\r\n" + dashes;
    size_t at = body.starts_with(dashes) ? 0 : body.find(mark);
    if (at == body.npos) return "the body has no part of its boundary";
    at += at == 0 && body.starts_with(dashes) ? dashes.size() : mark.size();
    std::vector<FormPart> parts;
    while (!body.substr(at).starts_with("--")) {
        if (parts.size() == kMaxFormParts)
            return fmt::format("the form has more than {} parts", kMaxFormParts);
        at = std::min(body.find_first_not_of(" \t", at), body.size());
        if (!body.substr(at).starts_with("\r\n")) return "a boundary does not end its line";
        // A part without headers has its empty line right behind the boundary's.
        const size_t head_end = body.substr(at, kMaxPartHead).find("\r\n\r\n");
        if (head_end == body.npos) return "a part's headers do not end";
        FormPart part;
        const size_t head = at + 2;
        const size_t content = at + head_end + 4;
        std::string error = read_head(body.substr(head, head_end >= 2 ? head_end - 2 : 0), part);
        if (!error.empty()) return error;
        const size_t end = body.find(mark, content - 2);
        if (end == body.npos) return "the form ends without its boundary";
        part.content = end < content ? std::string_view() : body.substr(content, end - content);
        parts.push_back(std::move(part));
        at = end + mark.size();
    }
    return parts;
}

}  // namespace qwend
