#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace qwend {

/// One code point decoded from UTF-8. `length` is 0 at the end of the text; a byte that begins no
/// valid sequence gives length 1 and `valid` false.
struct DecodedChar {
    int32_t code_point = 0;
    int length = 0;
    bool valid = true;
};

/// Decodes the character at `at`. Overlong forms, surrogates and values above U+10FFFF are invalid.
/// Source: The Unicode Standard 15, table 3-7.
inline DecodedChar utf8_at(std::string_view text, size_t at) {
    auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : 0; };
    if (at >= text.size()) return {};
    const int32_t a = byte(at);
    if (a < 0x80) return {a, 1, true};
    const int n = a >= 0xC2 && a < 0xE0   ? 2
                  : a >= 0xE0 && a < 0xF0 ? 3
                  : a >= 0xF0 && a < 0xF5 ? 4
                                          : 0;
    if (n == 0) return {a, 1, false};
    int32_t code_point = a & (0xFF >> (n + 1));
    for (int i = 1; i < n; i++) {
        const int32_t c = byte(at + i);
        int32_t low = 0x80, high = 0xBF;
        if (i == 1) {
            if (a == 0xE0) low = 0xA0;
            if (a == 0xED) high = 0x9F;
            if (a == 0xF0) low = 0x90;
            if (a == 0xF4) high = 0x8F;
        }
        if (c < low || c > high) return {a, 1, false};
        code_point = code_point << 6 | (c & 0x3F);
    }
    return {code_point, n, true};
}

inline bool is_utf8(std::string_view text) {
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        if (!c.valid) return false;
        at += size_t(c.length);
    }
    return true;
}

/// Length of the longest prefix of `bytes` that is certainly settled: everything but a trailing
/// sequence that is valid so far and incomplete.
inline size_t utf8_settled_length(std::string_view bytes) {
    for (size_t back = 1; back <= 3 && back <= bytes.size(); back++) {
        const uint8_t lead = uint8_t(bytes[bytes.size() - back]);
        if (lead < 0x80) return bytes.size();
        if (lead < 0xC0) continue;
        const size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (need <= back) return bytes.size();
        // Complete it with both extremes: if neither is valid, no continuation can be.
        for (char fill : {'\x80', '\xBF'}) {
            char probe[4] = {fill, fill, fill, fill};
            for (size_t i = 0; i < back; i++) probe[i] = bytes[bytes.size() - back + i];
            for (char second : {'\x80', '\x90', '\xA0', '\xBF'}) {
                if (back == 1) probe[1] = second;
                if (utf8_at({probe, need}, 0).valid) return bytes.size() - back;
            }
        }
        return bytes.size();
    }
    return bytes.size();
}

/// What a client or an operator sent as it may be repeated in an answer, a message or a log: at
/// most `most` bytes, cut between two characters, with an ellipsis where something is missing.
inline std::string excerpt(std::string_view text, size_t most = 64) {
    if (text.size() <= most) return std::string(text);
    return std::string(text.substr(0, utf8_settled_length(text.substr(0, most)))) + "…";
}

}  // namespace qwend
