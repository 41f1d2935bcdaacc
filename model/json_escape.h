#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace qwend {

/// Appends an ASCII character that cannot stand for itself in a JSON string, in the shortest form,
/// which is Python's too: a quote, a backslash or a control character.
inline void append_json_escape(std::string& out, uint8_t c) {
    constexpr std::string_view kNamed = "\"\\\n\r\t\b\f", kNames = "\"\\nrtbf";
    constexpr char kDigits[] = "0123456789abcdef";
    out += '\\';
    if (const size_t i = kNamed.find(char(c)); i != kNamed.npos)
        out += kNames[i];
    else
        out.append({'u', '0', '0', kDigits[c >> 4], kDigits[c & 15]});
}

}  // namespace qwend
