#include "daemon/api/reasoning.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace qwend;

namespace {

struct Found {
    std::string reasoning, content;
    bool operator==(const Found&) const = default;
};

/// What the parser makes of pieces of `size` bytes, or of random sizes up to 9 if it is 0.
Found parse(const std::string& text, size_t size, bool is_open) {
    static std::mt19937 random(std::random_device{}());
    ReasoningParser parser(is_open);
    Found found;
    for (size_t at = 0, n = 0; at < text.size(); at += n) {
        n = size ? size : 1 + random() % 9;
        parser.push(text.substr(at, n), found.reasoning, found.content);
    }
    parser.finish(found.reasoning, found.content);
    return found;
}

}  // namespace

TEST_CASE("reasoning: what of a text is reasoning, however it is split") {
    struct Case {
        std::string text;
        bool is_open;
        Found found;
    };
    const std::string spaces(300, ' '), newlines(300, '\n');
    for (const Case& c :
         std::vector<Case>{{"<think>\na <b>\nc\n</think>\n\nd", false, {"a <b>\nc", "d"}},
                           {" \n<think>a</think>b", false, {"a", "b"}},
                           {"<think>\n\n</think>\n\nb", false, {"", "b"}},
                           {"a <think>b</think>", false, {"", "a <think>b</think>"}},
                           {"\n a", false, {"", "\n a"}},
                           {"<thin", false, {"", "<thin"}},
                           {"<think", true, {"<think", ""}},
                           {"a\n</think>\nb</think>", true, {"a", "b</think>"}},
                           {"a</think>", true, {"a", ""}},
                           {"</think>b", true, {"", "b"}},
                           {"<think>\na</think>\n <think>b", true, {"a", " <think>b"}},
                           {"<think>a <think> b\n</think> c", false, {"a <think> b", " c"}},
                           // It never closes.
                           {"<think>\na\n", false, {"a\n", ""}},
                           {"a </thin", true, {"a </thin", ""}},
                           {"", true, {"", ""}},
                           {"", false, {"", ""}},
                           // White space does not wait for ever.
                           {spaces + "<think>a", false, {"", spaces + "<think>a"}}}) {
        CAPTURE(c.text);
        for (size_t size : {size_t(1), size_t(2), size_t(3), size_t(7), c.text.size() + 1}) {
            const Found found = parse(c.text, size, c.is_open);
            CHECK(found.reasoning == c.found.reasoning);
            CHECK(found.content == c.found.content);
        }
    }
    CHECK(parse("a" + newlines + "b", 1, true).reasoning == "a" + newlines + "b");
}

TEST_CASE("reasoning: it is passed on as it comes") {
    ReasoningParser parser(true);
    std::string reasoning, content;
    parser.push("ab\n", reasoning, content);
    CHECK(reasoning == "ab");
    CHECK(parser.in_reasoning());
    parser.push("c</th", reasoning, content);
    CHECK(reasoning == "ab\nc");
    parser.push("e ", reasoning, content);
    CHECK(reasoning == "ab\nc</the ");
    parser.push("</think>\n", reasoning, content);
    CHECK_FALSE(parser.in_reasoning());
    parser.push("d", reasoning, content);
    CHECK(content == "d");
    // However many newlines there are.
    ReasoningParser other(true);
    reasoning.clear();
    other.push("a" + std::string(2000, '\n'), reasoning, content);
    CHECK(reasoning.size() > 1000);
}

TEST_CASE("reasoning: any text gives the same in any pieces") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {"<think>", "</think>", "<th", "</", "think>", "\n",
                                            "\n\n",    " ",        "<",   ">",  "é",      "text"};
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (size_t n = random() % 12; n > 0; n--) text += parts[random() % parts.size()];
        CAPTURE(text);
        for (const bool is_open : {false, true}) {
            const Found whole = parse(text, text.size() + 1, is_open);
            REQUIRE(parse(text, 1, is_open) == whole);
            REQUIRE(parse(text, 0, is_open) == whole);
        }
    }
}
