#include "daemon/api/hermes_calls.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <random>
#include <utility>

using namespace qwend;

namespace {

struct Found {
    std::string text;
    std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
    int n_ended = 0;
    std::string cut;  // the call that the end cut
    bool operator==(const Found&) const = default;
};

/// What the parser makes of pieces of `size` bytes, or of random sizes up to 9 if it is 0.
Found parse(const std::string& text, size_t size, bool keep_tags = true) {
    static std::mt19937 random(std::random_device{}());
    HermesCallParser parser(keep_tags);
    std::vector<ToolPiece> pieces;
    for (size_t at = 0, n = 0; at < text.size(); at += n) {
        n = size ? size : 1 + random() % 9;
        parser.push(text.substr(at, n), pieces);
    }
    parser.finish(pieces);
    Found found;
    for (const ToolPiece& piece : pieces) {
        using Kind = ToolPiece::Kind;
        if (piece.kind == Kind::text) found.text += piece.text;
        if (piece.kind == Kind::call) found.calls.push_back({piece.text, ""});
        if (piece.kind == Kind::arguments) found.calls.back().second += piece.text;
        if (piece.kind == Kind::call_end) found.n_ended++;
        if (piece.kind == Kind::call_cut) found.cut = piece.text;
    }
    CHECK(size_t(parser.n_calls()) == found.calls.size());
    return found;
}

std::string call(const std::string& arguments, const std::string& name = "f") {
    return "<tool_call>\n{\"name\": \"" + name + "\", \"arguments\": " + arguments +
           "}\n</tool_call>";
}

bool is_json(const std::string& text) {
    simdjson::dom::parser parser;
    return parser.parse(text).error() == simdjson::SUCCESS;
}

struct Case {
    std::string answer, text;
    std::vector<std::pair<std::string, std::string>> calls;
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

TEST_CASE("hermes_calls: what is found in an answer, however it is split") {
    const std::string deep = "{\"x\": " + std::string(500, '[') + std::string(500, ']') + "}";
    check_found({
        {"Let me look.\n" + call("{\"x\": \"<b>\"}") + "\n" + call("{}", "g"),
         "Let me look.",
         {{"f", "{\"x\": \"<b>\"}"}, {"g", "{}"}}},
        {call("{\"x\": \"a </tool_call> <tool_call> b\"}"),
         "",
         {{"f", "{\"x\": \"a </tool_call> <tool_call> b\"}"}}},
        {call(R"("{\"x\": \"é\\n\"}")"), "", {{"f", R"({"x": "é\n"})"}}},
        {call("\"\"") + call("null") + call("\" \""), "", {{"f", "{}"}, {"f", "{}"}, {"f", "{}"}}},
        {"I use <tool_call> for it, or <tool_call>{x}.\n" + call("{}"),
         "I use <tool_call> for it, or <tool_call>{x}.",
         {{"f", "{}"}}},
        {"a\n<tool_call>\n" + call("{}"), "a", {{"f", "{}"}}},
        {"<tool_call><tool_call> <tool_call>" + call("{}"), "", {{"f", "{}"}}},
        {call("{\"x\": 123456789012345678901234567890, \"y\": -1e400}"),
         "",
         {{"f", "{\"x\": 123456789012345678901234567890, \"y\": -1e400}"}}},
        {call(deep), "", {{"f", deep}}},
        {call(R"({"x": "\ud800 \udc00\ud800"})"), "", {{"f", R"({"x": "\ud800 \udc00\ud800"})"}}},
        {call("{\"x\": \"a\nb\tc\"}"), "", {{"f", R"({"x": "a\nb\tc"})"}}},
        {"<tool_call>{\"arguments\": {\"x\": [1, {}]} , \"id\": 1.5e3, \"name\": "
         "\"g\"}</tool_call>",
         "",
         {{"g", "{\"x\": [1, {}]}"}}},
        {"<tool_call>{\"id\":true,\"name\":\"\\u0067\",\"arguments\":{},\"z\":[]}</tool_call> b",
         " b",
         {{"g", "{}"}}},
    });
}

TEST_CASE("hermes_calls: what is not whole is found or stays text, however it is split") {
    check_found({
        // A tag or a brace is missing, or there is one too many.
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}}\n" + call("{}", "g"),
         "",
         {{"f", "{}"}, {"g", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}}\nmore", "\nmore", {{"f", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}\n</tool_call>", "", {{"f", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}}}\n</tool_call>", "", {{"f", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}}}", "}", {{"f", "{}"}}},
        // The end comes too early: what was begun stays begun.
        {"a \n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\": \"a\nb",
         "a",
         {{"f", R"({"x": "a\nb)"}},
         " \n<tool_call>\n{\"name\":\"f\",\"arguments\":{\"x\": \"a\nb"},
        {call("{}") + "<tool_call>{\"name\":\"g\",\"arguments\":{x: <} \n",
         "",
         {{"f", "{}"}, {"g", "{x: <} \n"}},
         "<tool_call>{\"name\":\"g\",\"arguments\":{x: <} \n"},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}}\n</tool_", "", {{"f", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{}, \"z", ", \"z", {{"f", "{}"}}},
        {"<tool_call>{\"name\":\"f\",\"argu", "<tool_call>{\"name\":\"f\",\"argu", {}},
        // Arguments that are no JSON are the reader's to see.
        {call("{\"x\": nope, \"y\": <}"), "", {{"f", "{\"x\": nope, \"y\": <}}"}}},
        {"<tool_call>{\"name\":\"f\",\"arguments\":{x: 1} " + call("{}", "g"),
         "",
         {{"f", "{x: 1}"}, {"g", "{}"}}},
        // No calls: nothing is lost.
        {"<tool_call>\nnot json\n</tool_call>", "<tool_call>\nnot json\n</tool_call>", {}},
        {"a <tool_cal", "a <tool_cal", {}},
        {"x <b> y \n ", "x <b> y \n ", {}},
        {"<tool_call>{\"name\":\"f\"}</tool_call> z",
         "<tool_call>{\"name\":\"f\"}</tool_call> z",
         {}},
        {call("[1]"), call("[1]"), {}},
        {call("\"Paris\""), call("\"Paris\""), {}},
        {call("{}", ""), call("{}", ""), {}},
        {"<tool_call>[]", "<tool_call>[]", {}},
    });
}

TEST_CASE("hermes_calls: a call is passed on while it is made") {
    HermesCallParser parser;
    std::vector<ToolPiece> pieces;
    auto push = [&](std::string_view text) {
        pieces.clear();
        parser.push(text, pieces);
        return pieces.empty() ? std::string() : pieces.back().text;
    };
    push("<tool_call>\n{\"name\": \"f\", \"arguments\": ");
    CHECK(pieces.empty());
    CHECK(push("{\"x\"") == "{\"x\"");
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[0].kind == ToolPiece::Kind::call);
    CHECK(pieces[0].text == "f");
    CHECK(push(": \"abc") == ": \"abc");
    CHECK(push("\"}") == "\"}");
    push("}");
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0].kind == ToolPiece::Kind::call_end);
}

TEST_CASE("hermes_calls: a tag in prose withholds nothing") {
    for (const std::string_view opening :
         {"<tool_call> ", "<tool_call>{", "<tool_call>{\"", "<tool_call>{\"name\": \"",
          "<tool_call>{\"other\": [1, \"", "<tool_call><tool_call> \n"}) {
        HermesCallParser parser;
        std::vector<ToolPiece> pieces;
        parser.push(opening, pieces);
        const std::string prose(2000, 'x');
        for (char c : prose) parser.push({&c, 1}, pieces);
        REQUIRE(pieces.size() == 1);
        CHECK(pieces[0].text == std::string(opening) + prose);
    }
    // Nor does white space, however long.
    HermesCallParser parser;
    std::vector<ToolPiece> pieces;
    parser.push("a" + std::string(2000, '\n'), pieces);
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0].text.size() > 1000);
}

TEST_CASE("hermes_calls: tags that are special tokens are no text") {
    CHECK(parse("a <tool_call> b </tool_call> c", 1, false).text == "a  b  c");
    CHECK(parse("a\n<tool_call>\n" + call("{}"), 3, false).text == "a");
    CHECK(parse("a <tool_call>{\"name\"", 2, false).text == "a {\"name\"");
    const std::string begun = "{\"name\":\"f\",\"arguments\":{\"x\"";
    CHECK(parse("a <tool_call>" + begun, 2, false).cut == " " + begun);
}

TEST_CASE("hermes_calls: any text gives the same in any pieces, and loses nothing") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {"<tool_call>",
                                            "</tool_call>",
                                            "<tool_call>\n",
                                            "\n</tool_call>",
                                            "<tool_",
                                            "{",
                                            "}",
                                            "[",
                                            "]",
                                            "\"",
                                            "\\",
                                            "\"name\": ",
                                            "\"arguments\": ",
                                            "\"f\"",
                                            ", ",
                                            ": ",
                                            "\n",
                                            "  ",
                                            "1",
                                            "-0.5e3",
                                            "null",
                                            "true",
                                            "\\u00",
                                            "é",
                                            "text",
                                            "{\"name\": \"f\", \"arguments\": ",
                                            "{\"x\": \"",
                                            call("{\"x\": 1}"),
                                            call("\"{}\""),
                                            call("{\"x\": [")};
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (size_t n = random() % 14; n > 0; n--) text += parts[random() % parts.size()];
        CAPTURE(text);
        const Found whole = parse(text, text.size() + 1);
        REQUIRE(parse(text, 1) == whole);
        REQUIRE(parse(text, 0) == whole);
        if (whole.calls.empty()) REQUIRE(whole.text == text);
        for (const auto& [name, arguments] : whole.calls) REQUIRE(!name.empty());
    }
}

TEST_CASE("hermes_calls: arguments that were complete are JSON") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> values = {
        "1",      "-2.5e-3",     "true", "null", "\"a\\\"b\"",
        "\"\n\"", "\"\\u12aF\"", "{}",   "[]",   "[1, {\"y\": \"</tool_call>\"}]"};
    for (int round = 0; round < 2000; round++) {
        std::string arguments = "{";
        for (size_t n = random() % 4; n > 0; n--)
            arguments += "\"k" + std::to_string(n) + "\": " + values[random() % values.size()] +
                         (n > 1 ? ", " : "");
        arguments += "}";
        const Found found = parse("a " + call(arguments) + "\n", 0);
        REQUIRE(found.calls.size() == 1);
        CHECK(found.n_ended == 1);
        CHECK(found.text == "a");
        CHECK(is_json(found.calls[0].second));
    }
}
