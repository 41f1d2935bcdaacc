#include "daemon/api/request_body.h"

#include <fmt/format.h>

#include <string>

#include "model/utf8.h"

namespace qwend {

namespace {

/// What a body that does not begin like JSON in UTF-8 really is; empty if nothing we know.
std::string_view foreign_encoding(std::string_view body) {
    if (body.starts_with("\x1F\x8B")) return "gzip; send it without compression";
    if (body.starts_with("\x28\xB5\x2F\xFD")) return "zstd; send it without compression";
    // A JSON text begins with two ASCII characters, so zeros among them show wider units.
    const bool zeros = body.size() >= 2 && (body[0] == '\0' || body[1] == '\0');
    if (zeros || body.starts_with("\xFF\xFE") || body.starts_with("\xFE\xFF"))
        return "UTF-16 or UTF-32; send UTF-8";
    return {};
}

std::string describe_fault(const JsonFault& fault, std::string_view body) {
    if (fault.kind == JsonFault::size) return "the body is too large";
    if (fault.kind == JsonFault::depth)
        return fmt::format("nested deeper than {} levels at byte {}", kMaxJsonDepth, fault.offset);
    if (fault.kind == JsonFault::encoding)
        return fmt::format("malformed JSON at byte {}: not UTF-8", fault.offset);
    const std::string found = excerpt(body.substr(fault.offset), 16);
    return fmt::format("malformed JSON at byte {}: {}", fault.offset,
                       found.empty() ? "it ends too early" : "at " + found);
}

}  // namespace

std::optional<ApiError> parse_json_object(std::string_view body, JsonDocument& document) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return bad_request("expected a JSON object, found an empty body");
    if (const auto what = foreign_encoding(body); !what.empty())
        return bad_request(fmt::format("expected JSON in UTF-8; this body looks like {}", what));
    const size_t skipped = body.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    if (auto fault = document.parse(body.substr(skipped))) {
        fault->offset += skipped;
        return bad_request(describe_fault(*fault, body));
    }
    if (!document.root().is_object()) return bad_request("expected a JSON object");
    if (const std::string path = excerpt(document.find_duplicate(), 160); !path.empty())
        return bad_request(path + ": given twice", path);
    return std::nullopt;
}

}  // namespace qwend
