// What a regex finds in a text.

#include "model/text/regex.h"

#include <doctest/doctest.h>

#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"

using namespace qwend;

namespace {

using Matches = std::vector<std::pair<size_t, size_t>>;

Matches found(const std::string& pattern, std::string_view text) {
    Matches matches;
    Regex(pattern, "test").find_all(text, [&](size_t begin, size_t end) {
        matches.emplace_back(begin, end);
    });
    return matches;
}

}  // namespace

TEST_CASE("regex: matches from left to right, empty ones too but right behind another") {
    CHECK(found("[0-9]+", "a12b3") == Matches{{1, 3}, {4, 5}});
    CHECK(found("x*", "axxb") == Matches{{0, 0}, {1, 3}, {4, 4}});
    CHECK(found("(?<=\u4e2d)|$", "\u4e2da") == Matches{{3, 3}, {4, 4}});
    CHECK(found("a", "").empty());
    CHECK(found("$", "") == Matches{{0, 0}});
}

TEST_CASE("regex: nothing is matched in what is not UTF-8") {
    CHECK(found(".", "a\xE4\xBD").empty());
}

TEST_CASE("regex: a literal is no regex, and what is none is refused") {
    CHECK(quote_regex("a.b*(") == R"(a\.b\*\()");
    CHECK(found(quote_regex("a.b"), "axb a.b") == Matches{{4, 7}});
    CHECK_THROWS_WITH_AS(Regex("(", "tokenizer.json: normalizer"),
                         doctest::Contains("tokenizer.json: normalizer: \"(\" is no regex"),
                         LoadError);
}

TEST_CASE("regex: a long text has the matches of a short one, wherever they are") {
    std::string text;
    Matches expected;
    for (int i = 0; i < 20; i++) {
        text += "\u4e2d" + std::string(1500, 'b');
        expected.emplace_back(text.size(), text.size() + 20'001);
        text += std::string(20'000, ' ') + "a";
    }
    CHECK(found(R"( +a|\s+(?=a)a)", text) == expected);
    CHECK(found(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", text).size() == 40);
    CHECK(found("(?<=a)\u4e2d|a$", text).size() == 20);
    CHECK(found("x", text).empty());
}

TEST_CASE("regex: backtracking is linear in the text") {
    for (const char* regex : {R"(\s+$)", "( *)*x", "(a|a|aa)+c", " *y|a", ".*z"})
        for (std::string_view unit : {" ", "a", "a ", "     a"}) {
            CAPTURE(regex);
            CAPTURE(unit);
            std::string text;
            while (text.size() < 500'000) text += unit;
            size_t last = 0;
            bool ascends = true;
            const double began = double(std::clock());
            Regex(regex, "test").find_all(text + "b", [&](size_t begin, size_t end) {
                ascends = ascends && begin >= last;
                last = end;
            });
            CHECK(ascends);
            // A hundred times what it takes; what is quadratic takes as much more again.
            CHECK((double(std::clock()) - began) / CLOCKS_PER_SEC < 10);
        }
}
