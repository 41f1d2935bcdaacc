// Calls that have lost their tags: which are taken for one, and which stay text.

#include "daemon/api/untagged_calls.h"

#include <doctest/doctest.h>

#include <random>
#include <utility>

using namespace qwend;

namespace {

using Kind = ToolPiece::Kind;

const ToolParameters& tools() {
    static const std::vector<std::string> texts = {R"({"function":{"name":"f"}})",
                                                   R"({"function":{"name":"find"}})"};
    static const ToolParameters made(texts);
    return made;
}

struct Found {
    std::string text;
    std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
    int n_ended = 0;
    std::string cut;  // the call that the end cut
    bool operator==(const Found&) const = default;
};

/// What the parser makes of pieces of `size` bytes, or of random sizes up to 9 if it is 0.
Found parse(const std::string& text, size_t size) {
    static std::mt19937 random(std::random_device{}());
    UntaggedCallParser parser(&tools());
    std::vector<ToolPiece> pieces;
    for (size_t at = 0, n = 0; at < text.size(); at += n) {
        n = size ? size : 1 + random() % 9;
        parser.push(std::string_view(text).substr(at, n), pieces);
    }
    parser.finish(pieces);
    Found found;
    for (const ToolPiece& piece : pieces) {
        if (piece.kind == Kind::text) found.text += piece.text;
        if (piece.kind == Kind::call) found.calls.push_back({piece.text, ""});
        if (piece.kind == Kind::arguments) found.calls.back().second += piece.text;
        if (piece.kind == Kind::call_end) found.n_ended++;
        if (piece.kind == Kind::call_cut) found.cut = piece.text;
    }
    CHECK(size_t(parser.n_calls()) == found.calls.size());
    return found;
}

std::string object(const std::string& arguments, const std::string& name = "f") {
    return "{\"name\": \"" + name + "\", \"arguments\": " + arguments + "}";
}

std::string fenced(const std::string& arguments, const std::string& name = "f") {
    return "```json\n" + object(arguments, name) + "\n```";
}

struct Case {
    std::string answer, text;
    std::vector<std::pair<std::string, std::string>> calls = {};
    std::string cut = {};
};

void check_found(const std::vector<Case>& cases) {
    for (const Case& each : cases) {
        CAPTURE(each.answer);
        for (size_t size : {size_t(1), size_t(2), size_t(3), size_t(7), each.answer.size()}) {
            const Found found = parse(each.answer, size);
            CHECK(found.text == each.text);
            CHECK(found.calls == each.calls);
            CHECK(found.cut == each.cut);
        }
    }
}

}  // namespace

TEST_CASE("untagged_calls: a fenced block or an object at the beginning, and those behind it") {
    const std::string x = R"({"x": "a ``` } \" b", "y": [{}]})";
    check_found({
        {fenced(x), "", {{"f", x}}},
        {"\n " + fenced("{}", "find") + "\n", "", {{"find", "{}"}}},
        {"```\n" + object("{}") + "\n```", "", {{"f", "{}"}}},
        {"```json\n{\n  \"name\" : \"f\" ,\n  \"arguments\" :\n  {\"x\": 1}\n}\n\n```",
         "",
         {{"f", "{\"x\": 1}"}}},
        {object(x) + "\n", "", {{"f", x}}},
        {fenced("{}") + "\n\n" + fenced("{}", "find"), "", {{"f", "{}"}, {"find", "{}"}}},
        {"```json\n" + object("{}") + "\n" + object("{}", "find") + "\n```",
         "",
         {{"f", "{}"}, {"find", "{}"}}},
        {object("{}") + "\n" + object("{}", "find"), "", {{"f", "{}"}, {"find", "{}"}}},
        {fenced("{\"x\": \"a\nb\"}"), "", {{"f", R"({"x": "a\nb"})"}}},
        {fenced("{}") + "\nThat was it.\n", "\nThat was it.\n", {{"f", "{}"}}},
        {object("{}") + " and", " and", {{"f", "{}"}}},
    });
}

TEST_CASE("untagged_calls: what only looks like one is text") {
    std::vector<Case> cases;
    for (const std::string& text : {
             "I call it.\n" + fenced("{}"),
             "x" + object("{}"),
             fenced("{}", "g"),
             fenced("{}", "fi"),
             fenced("{}", "finder"),
             fenced("{}", "\\u0066"),
             fenced("\"{}\""),
             fenced("null"),
             object("[1]"),
             std::string("```python\nprint({})\n```"),
             std::string("```jsonc\n{\"name\": \"f\", \"arguments\": {}}\n```"),
             std::string("```json\n[{\"name\": \"f\", \"arguments\": {}}]\n```"),
             std::string("```json\n{\"arguments\": {}, \"name\": \"f\"}\n```"),
             std::string("```json\n{\"name\": \"f\", \"id\": 1, \"arguments\": {}}\n```"),
             std::string("{\"name\": \"f\"}"),
             std::string("{\"names\": [1]}"),
             std::string("{ \n"),
             std::string("``"),
             std::string("``x"),
             std::string("```"),
             std::string("```json"),
             std::string("``` {\"name\": \"f\", \"argum"),
             std::string(" \n\n"),
             std::string(300, '\n') + fenced("{}"),
             "```json" + std::string(2000, ' ') + object("{}"),
         })
        cases.push_back({text, text});
    check_found(cases);
}

TEST_CASE("untagged_calls: one that is not whole is a call that was cut, or ends where it breaks") {
    check_found({
        {"```json\n{\"name\": \"f\", \"arguments\": {\"x\": \"a",
         "",
         {{"f", "{\"x\": \"a"}},
         "```json\n{\"name\": \"f\", \"arguments\": {\"x\": \"a"},
        {"```json\n{\"name\": \"f\", \"arguments\": {}", "", {{"f", "{}"}}},
        {"```json\n{\"name\": \"f\", \"arguments\": {}}", "", {{"f", "{}"}}},
        {"```json\n{\"name\": \"f\", \"arguments\": {}}\n``", "", {{"f", "{}"}}},
        {"```json\n{\"name\": \"f\", \"arguments\": {}\n```", "", {{"f", "{}"}}},
        {"{\"name\": \"f\", \"arguments\": {}, \"x\": 1}", ", \"x\": 1}", {{"f", "{}"}}},
        {fenced("{x: 1}") + "\n" + fenced("{}"), "", {{"f", "{x: 1}}"}, {"f", "{}"}}},
        {object("{x: ` 1}") + "\n", "", {{"f", "{x: ` 1}}\n"}}, object("{x: ` 1}") + "\n"},
        {fenced("{}") + fenced("{}", "g"), fenced("{}", "g"), {{"f", "{}"}}},
    });
}

TEST_CASE("untagged_calls: a call is passed on while it is made, and text that is none at once") {
    UntaggedCallParser parser(&tools());
    std::vector<ToolPiece> pieces;
    parser.push("```json\n{\"name\": \"f\", \"arguments\": ", pieces);
    CHECK(pieces.empty());
    parser.push("{\"x\"", pieces);
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[0].text == "f");
    CHECK(pieces[1].text == "{\"x\"");

    for (const std::string opening : {"```json\n{\"name\": \"fx", "{\"x", "```p", "a"}) {
        UntaggedCallParser other(&tools());
        pieces.clear();
        other.push(opening, pieces);
        other.push("  ", pieces);
        REQUIRE(pieces.size() == 1);
        CHECK(pieces[0].text == opening + "  ");
    }
    UntaggedCallParser none;
    pieces.clear();
    none.push(" " + fenced("{}"), pieces);
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0].text == " " + fenced("{}"));
}

TEST_CASE("untagged_calls: any text gives the same in any pieces, and loses nothing") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {
        "```json\n",  "```",        "``",
        "`",          "json",       "{",
        "}",          "[",          "\"",
        "\\",         "\"name\": ", "\"arguments\": ",
        "\"f\"",      "\"find\"",   ", ",
        "\n",         "  ",         "text",
        object("{}"), fenced("{}"), "{\"name\": \"f\", \"arguments\": ",
        "{\"x\": \"", "{}",         "{x"};
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (size_t n = random() % 12; n > 0; n--) text += parts[random() % parts.size()];
        CAPTURE(text);
        const Found whole = parse(text, text.size() + 1);
        REQUIRE(parse(text, 1) == whole);
        REQUIRE(parse(text, 0) == whole);
        if (whole.calls.empty()) REQUIRE(whole.text == text);
        for (const auto& [name, arguments] : whole.calls) REQUIRE(tools().has_tool(name));
    }
}
