// Text taken apart by regexes, and Qwen2's own regex beside the matcher it has.

#include "model/text/split_patterns.h"

#include <doctest/doctest.h>

#include <random>

#include "model/error.h"
#include "model/text/pretokenizer.h"

using namespace qwend;

namespace {

using Words = std::vector<std::string>;

Words split_by(const SplitPatterns& patterns, std::string_view text) {
    Words words;
    std::string storage;
    for (const TextPiece piece : patterns.split(text, storage, true))
        words.emplace_back(text.substr(piece.begin, piece.end - piece.begin));
    return words;
}

Words split(const std::vector<std::string>& regexes, std::string_view text) {
    SplitPatterns patterns;
    for (const std::string& regex : regexes) patterns.add({regex}, "test");
    return split_by(patterns, text);
}

Words split_with(const SplitPattern& pattern, std::string_view text) {
    SplitPatterns patterns;
    patterns.add(pattern, "test");
    return split_by(patterns, text);
}

}  // namespace

TEST_CASE("split_patterns: matches are pieces, and so is what is between them") {
    CHECK(split({"[0-9]+"}, "a12b3") == Words{"a", "12", "b", "3"});
    CHECK(split({"[0-9]+"}, "none") == Words{"none"});
    CHECK(split({"x*"}, "axxb") == Words{"a", "xx", "b"});  // an empty match is none
    CHECK(split({R"(\p{N}{1,3})"}, "1234567") == Words{"123", "456", "7"});
    CHECK(split({R"(\s+(?!\S)|\s+)"}, "a   b") == Words{"a", "  ", " ", "b"});
}

TEST_CASE("split_patterns: each takes apart what the one before has left") {
    CHECK(split({R"(\p{N})", "[a-z]+"}, "ab1cd!") == Words{"ab", "1", "cd", "!"});
    // What looks ahead sees its own piece alone.
    CHECK(split({"b", "a(?=b)|[^b]"}, "aab") == Words{"a", "a", "b"});
}

TEST_CASE("split_patterns: what is no UTF-8 is a piece of its own, and no pattern sees it") {
    CHECK(split({"."}, "a\xE4\xBD") == Words{"a", "\xE4\xBD"});
    CHECK(split({"."},
                "\xFF\xFE\u4e2d"
                "b\xF0") == Words{"\xFF\xFE", "\u4e2d", "b", "\xF0"});
    CHECK(split({"."}, "").empty());
}

TEST_CASE("split_patterns: matches are kept apart, taken out or joined") {
    using enum SplitBehavior;
    const std::string_view text = "--a-b--";
    for (bool inverted : {false, true}) {
        const char* regex = inverted ? "[a-z]" : "-";
        CAPTURE(inverted);
        auto by = [&](SplitBehavior behavior) {
            return split_with({regex, behavior, inverted}, text);
        };
        CHECK(by(removed) == Words{"a", "b"});
        if (inverted) {
            CHECK(by(isolated) == Words{"--", "a", "-", "b", "--"});
            CHECK(by(merged_with_previous) == Words{"--", "a-", "b--"});
            CHECK(by(merged_with_next) == Words{"--a", "-b", "--"});
        } else {
            CHECK(by(isolated) == Words{"-", "-", "a", "-", "b", "-", "-"});
            CHECK(by(merged_with_previous) == Words{"-", "-", "a-", "b-", "-"});
            CHECK(by(merged_with_next) == Words{"-", "-a", "-b", "-", "-"});
        }
        CHECK(by(contiguous) == Words{"--", "a", "-", "b", "--"});
    }
    CHECK(split_with({"-", removed}, "--").empty());
}

TEST_CASE("split_patterns: a space is put before each piece that begins with none") {
    SplitPatterns patterns;
    patterns.add({"[0-9]"}, "test");
    patterns.add_space();
    patterns.add({" "}, "test");
    CHECK(split_by(patterns, "ab1 c") == Words{" ", "ab", " ", "1", " ", "c"});
    CHECK(split_by(patterns, "").empty());
    CHECK(split_by(SplitPatterns(), "a b") == Words{"a b"});
}

TEST_CASE("split_patterns: what takes too many steps to match is a piece") {
    const std::string text = std::string(60, 'a') + "b";
    CHECK(split({"(a|a|aa)+c"}, text) == Words{text});
    CHECK(split({"b|(a|a|aa)+c", "b"}, "ab" + text) == Words{"a", "b", std::string(60, 'a'), "b"});
}

TEST_CASE("split_patterns: Qwen2's regex gives what its own matcher does") {
    SplitPatterns patterns;
    patterns.add({std::string(kQwenPretokenizerRegex)}, "test");
    const Words parts = {"'s",     "'S",     "'\u017f", "'RE",    "'ll",     "'d",
                         "'v",     " ",      "  ",      "\n",     "\r",      "\t",
                         "\u00a0", "\u3000", "a",       "Zq",     "7",       "\u0664",
                         "\u00bd", "\u4e2d", "\u3042",  "\u00e9", "e\u0301", "\U0001F600",
                         "!",      "_",      "\u200d",  "(",      "\u2028",  "-"};
    std::mt19937 random(std::random_device{}());
    for (int i = 0; i < 3000; i++) {
        std::string text;
        for (size_t n = random() % 30 + 1; n > 0; n--) text += parts[random() % parts.size()];
        Words expected;
        for (size_t at = 0, end = 0; at < text.size(); at = end) {
            end = pretoken_end(text, at);
            expected.push_back(text.substr(at, end - at));
        }
        CAPTURE(text);
        REQUIRE(split_by(patterns, text) == expected);
    }
}

TEST_CASE("split_patterns: marks for spaces, where nothing stands before or before every piece") {
    using enum Prepends;
    auto marked = [](Prepends prepends, bool splits, std::string_view text) {
        SplitPatterns patterns;
        patterns.add({"[0-9]"}, "test");
        patterns.add_marks("_", prepends);
        if (splits) patterns.add({"_", SplitBehavior::merged_with_next}, "test");
        return split_by(patterns, text);
    };
    CHECK(marked(always, false, "a b1 c") == Words{"_a_b", "_1", "_c"});
    CHECK(marked(always, true, "a b1 c") == Words{"_a", "_b", "_1", "_c"});
    CHECK(marked(first, false, "a b1_c") == Words{"_a_b", "1", "_c"});
    CHECK(marked(never, false, "a b1 c") == Words{"a_b", "1", "_c"});
    CHECK(marked(always, false, "_a") == Words{"_a"});
    std::string_view text = "a";
    std::string storage;
    SplitPatterns patterns;
    patterns.add_marks("_", first);
    CHECK(patterns.split(text, storage, false).size() == 1);
    CHECK(text == "a");  // something stands before it
}

TEST_CASE("split_patterns: scripts, and GPT-2's letters for bytes") {
    SplitPatterns scripts, letters;
    scripts.add_scripts();
    CHECK(split_by(scripts, " ab, \u4e2d\u3042\u30fc1 a") ==
          Words{"ab", ", ", "\u4e2d\u3042\u30fc", "1 ", "a"});
    CHECK(split_by(scripts, "  ").empty());
    CHECK(split_by(scripts, std::string("\xFF\xFE") + "a") == Words{"\xFF\xFE", "a"});
    letters.add_byte_alphabet();
    CHECK(split_by(letters, "a \u00e9") == Words{"a\u0120\u00c3\u00a9"});
}

TEST_CASE("split_patterns: words are pieces, the longest where several begin") {
    SplitPatterns patterns;
    patterns.add_words({"ab", "abc", "b", "\u4e16"});
    CHECK(split_by(patterns, "xabcdbab") == Words{"x", "abc", "d", "b", "ab"});
    CHECK(split_by(patterns, "\u4e16\u754c") == Words{"\u4e16", "\u754c"});
    CHECK(split_by(patterns, "none") == Words{"none"});
    CHECK(split_by(patterns, "abab") == Words{"ab", "ab"});
    CHECK(split_by(patterns, "").empty());
    patterns.add({"b+"}, "test");  // sees each piece by itself
    CHECK(split_by(patterns, "bbab") == Words{"b", "b", "a", "b"});
}
