#include "model/grammar/spelling.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "model/utf8.h"

using namespace qwend::grammar;

namespace {

std::string utf8(uint32_t c) {
    if (c < 0x80) return {char(c)};
    if (c < 0x800) return {char(0xC0 | c >> 6), char(0x80 | (c & 0x3F))};
    if (c < 0x10000)
        return {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 0x3F)), char(0x80 | (c & 0x3F))};
    return {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 0x3F)), char(0x80 | (c >> 6 & 0x3F)),
            char(0x80 | (c & 0x3F))};
}

uint32_t any_code_point(std::mt19937& random) {
    static const uint32_t kEdges[] = {0,       0x1F,    0x20,    0x22,    0x5C,     0x7F,    0x80,
                                      0x7FF,   0x800,   0xFFF,   0x1000,  0xD7FF,   0xE000,  0xFFFF,
                                      0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000, 0x10FFFF};
    if (random() % 2) return kEdges[random() % std::size(kEdges)];
    const uint32_t limit[] = {0x80, 0x800, 0x10000, 0x110000};
    const uint32_t c = random() % limit[random() % 4];
    return c >= 0xD800 && c < 0xE000 ? 'x' : c;
}

}  // namespace

TEST_CASE("spelling: a set is its characters in UTF-8, and as JSON writes them") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 300; round++) {
        CodePointSet set;
        for (size_t n = 1 + random() % 4; n > 0; n--) {
            const uint32_t first = any_code_point(random);
            set.add(first, random() % 3 ? first : std::max(first, any_code_point(random)));
        }
        Languages languages;
        const LanguageId plain = utf8_char(languages, set), json = json_char(languages, set);
        for (int i = 0; i < 100; i++) {
            const uint32_t c = any_code_point(random);
            CAPTURE(c);
            CHECK(languages.contains(plain, utf8(c)) == set.contains(c));
            CHECK(languages.contains(json, json_body(utf8(c))) == set.contains(c));
            if (c < 0x20 || c == '"' || c == '\\') CHECK_FALSE(languages.contains(json, utf8(c)));
        }
        for (int i = 0; i < 100; i++) {  // any bytes at all
            std::string bytes;
            for (size_t n = random() % 5; n > 0; n--) bytes += char(0x78 + random() % 0x88);
            const auto c = qwend::utf8_at(bytes, 0);
            const bool is_one = c.valid && c.length > 0 && size_t(c.length) == bytes.size();
            CHECK(languages.contains(plain, bytes) ==
                  (is_one && set.contains(uint32_t(c.code_point))));
        }
    }
}

TEST_CASE("spelling: every character of JSON, but no surrogate alone") {
    Languages l;
    const LanguageId any = any_json_char(l), pair = any_json_char_or_pair(l);
    for (const char* text : {"a", "\\n", "\\/", "\\\"", "\\\\", "\\u0041", "\\uabCD", "\\uD7FF",
                             "\\uE000", "\xF0\x9F\x98\x80", "\x7F"})
        for (const LanguageId id : {any, pair}) CHECK(l.contains(id, text));
    for (const char* text : {"", "\"", "\\", "\n", "\\x", "\\u12", "\\u12345", "\\ud800", "\\uDFFF",
                             "ab", "\xED\xA0\x80", "\xC0\x80", "\xF4\x90\x80\x80"})
        for (const LanguageId id : {any, pair}) CHECK_FALSE(l.contains(id, text));
    CHECK(l.contains(pair, "\\ud83d\\uDE00"));
    CHECK_FALSE(l.contains(any, "\\ud83d\\ude00"));
    CHECK_FALSE(l.contains(pair, "\\ude00\\ud83d"));
    CHECK(json_body("a\"\\\n\x01/\xC3\xA9") == "a\\\"\\\\\\n\\u0001/\xC3\xA9");
}
