#include "daemon/api/route_path.h"

#include <charconv>

#include "model/utf8.h"

namespace qwend {

std::string canonical_path(std::string_view path) {
    std::string out;
    for (char c : path)
        if (c != '/' || !out.ends_with('/')) out += c;
    if (out.size() > 1 && out.ends_with('/')) out.pop_back();
    return out;
}

std::optional<std::string> decode_percent(std::string_view part) {
    std::string out;
    for (size_t at = 0; at < part.size(); at++) {
        if (part[at] != '%') {
            out += part[at];
            continue;
        }
        uint8_t byte = 0;
        const char* end = part.data() + at + 3;
        if (at + 2 >= part.size() || std::from_chars(end - 2, end, byte, 16).ptr != end)
            return std::nullopt;
        out += char(byte);
        at += 2;
    }
    for (size_t at = 0; at < out.size();) {
        const DecodedChar c = utf8_at(out, at);
        if (!c.valid || c.code_point < 0x20 || c.code_point == 0x7F) return std::nullopt;
        at += size_t(c.length);
    }
    return out;
}

bool is_no_encoding(std::string_view encoding) {
    std::string lower;
    for (char c : encoding) lower += c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
    return lower == "identity";
}

bool is_json_type(std::string_view content_type) {
    std::string type;
    for (char c : content_type.substr(0, content_type.find(';')))
        if (c != ' ' && c != '\t') type += c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
    return type.empty() || type == "application/json" || type == "text/json" ||
           type == "application/x-www-form-urlencoded" ||
           (type.starts_with("application/") && type.ends_with("+json"));
}

}  // namespace qwend
