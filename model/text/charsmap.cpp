#include "model/text/charsmap.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <array>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kLongestCluster = 5;  // bytes; longer ones are looked up by their characters

std::array<int8_t, 256> make_base64_digits() {
    std::array<int8_t, 256> digits;
    digits.fill(-1);
    int8_t value = 0;
    for (const char c :
         std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
        digits[uint8_t(c)] = value++;
    return digits;
}

/// False if it is none.
bool decode_base64(std::string_view base64, std::string& bytes) {
    static const std::array<int8_t, 256> digits = make_base64_digits();
    while (base64.ends_with('=')) base64.remove_suffix(1);
    uint32_t bits = 0;
    int n_bits = 0;
    for (const char c : base64) {
        const int digit = digits[uint8_t(c)];
        if (digit < 0) return false;
        bits = bits << 6 | uint32_t(digit), n_bits += 6;
        if (n_bits < 8) continue;
        n_bits -= 8;
        bytes += char(bits >> n_bits & 0xFF);
    }
    return true;
}

uint32_t little_endian(std::string_view bytes, size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;) value = value << 8 | uint8_t(bytes[at + i]);
    return value;
}

// A unit of Darts' double array: where its children are, the byte that leads to it, whether a text
// ends there; or, at the end of one, the value.
size_t offset_of(uint32_t unit) {
    return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}
uint32_t label_of(uint32_t unit) {
    return unit & ((1u << 31) | 0xFF);
}
bool has_leaf(uint32_t unit) {
    return unit >> 8 & 1;
}
size_t value_of(uint32_t unit) {
    return unit & 0x7FFFFFFF;
}

/// The end of the character, as a reader sees it, that begins at `at` (UAX #29).
size_t cluster_end(std::string_view text, size_t at) {
    utf8proc_int32_t state = 0;
    DecodedChar c = utf8_at(text, at);
    for (;;) {
        at += size_t(c.length);
        const DecodedChar next = utf8_at(text, at);
        if (next.length == 0 || !c.valid || !next.valid ||
            utf8proc_grapheme_break_stateful(c.code_point, next.code_point, &state))
            return at;
        c = next;
    }
}

}  // namespace

CharsMap::CharsMap(std::string_view base64, const std::string& source) {
    std::string bytes;
    read(decode_base64(base64, bytes) ? bytes : std::string_view(), source);
}

CharsMap CharsMap::of_bytes(std::string_view bytes, const std::string& source) {
    CharsMap map;
    map.read(bytes, source);
    return map;
}

void CharsMap::read(std::string_view bytes, const std::string& source) {
    const size_t n_trie = bytes.size() >= 4 ? little_endian(bytes, 0) : 0;
    if (n_trie == 0 || n_trie % 4 != 0 || n_trie > bytes.size() - 4)
        throw LoadError(fmt::format(
            "{}: normalizer: expected a map of SentencePiece's as precompiled_charsmap", source));
    for (size_t at = 4; at < 4 + n_trie; at += 4) units_.push_back(little_endian(bytes, at));
    texts_ = bytes.substr(4 + n_trie);
}

const char* CharsMap::find(std::string_view part) const {
    size_t at = offset_of(units_[0]);
    for (const char byte : part) {
        at ^= uint8_t(byte);
        if (byte == 0 || at >= units_.size() || label_of(units_[at]) != uint8_t(byte))
            return nullptr;
        const uint32_t unit = units_[at];
        at ^= offset_of(unit);
        if (!has_leaf(unit)) continue;
        const size_t value = at < units_.size() ? value_of(units_[at]) : texts_.size();
        return value < texts_.size() ? texts_.c_str() + value : nullptr;
    }
    return nullptr;
}

void CharsMap::normalize(std::string_view text, std::string& out) const {
    out.clear();
    for (size_t at = 0, end = 0; at < text.size(); at = end) {
        end = cluster_end(text, at);
        if (end - at <= kLongestCluster)
            if (const char* content = find(text.substr(at, end - at))) {
                out.append(content);
                continue;
            }
        for (size_t next = at; next < end;) {
            const std::string_view own = text.substr(next, size_t(utf8_at(text, next).length));
            const char* content = find(own);
            out.append(content ? std::string_view(content) : own);
            next += own.size();
        }
    }
}

}  // namespace qwend
