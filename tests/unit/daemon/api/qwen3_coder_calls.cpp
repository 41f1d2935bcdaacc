#include "daemon/api/qwen3_coder_calls.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <random>
#include <utility>

using namespace qwend;

namespace {

using Calls = std::vector<std::pair<std::string, std::string>>;  // name, arguments

struct Found {
    std::string text;
    Calls calls;
    int n_ended = 0;
    std::string cut;  // the call that the end cut
    bool operator==(const Found&) const = default;
};

const ToolParameters& parameters() {
    static const std::vector<std::string> tools = {
        R"({"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{)"
        R"("s":{"type":"string"},"n":{"type":"integer"},"b":{"type":"boolean"},)"
        R"("o":{"type":"object"},"a":{"type":"array"},"z":{"type":["string","null"]}}}}})"};
    static const ToolParameters made(tools);
    return made;
}

/// What the parser makes of pieces of `size` bytes, or of random sizes up to 9 if it is 0.
Found parse(const std::string& text, size_t size, bool keep_tags = true) {
    static std::mt19937 random(std::random_device{}());
    Qwen3CoderCallParser parser(keep_tags, &parameters());
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

std::string parameter(const std::string& key, const std::string& value) {
    return "<parameter=" + key + ">\n" + value + "\n</parameter>\n";
}

std::string call(const std::string& parameters, const std::string& name = "f") {
    return "<tool_call>\n<function=" + name + ">\n" + parameters + "</function>\n</tool_call>";
}

bool is_json(const std::string& text) {
    simdjson::dom::parser parser;
    return parser.parse(text).error() == simdjson::SUCCESS;
}

struct Case {
    std::string answer, text;
    Calls calls;
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

TEST_CASE("qwen3_coder_calls: what is found in an answer, however it is split") {
    check_found({
        {"Let me look.\n" + call(parameter("s", "a \"b\"\nc \\ d")) + "\n" + call("", "g"),
         "Let me look.",
         {{"f", R"({"s": "a \"b\"\nc \\ d"})"}, {"g", "{}"}}},
        {call(parameter("n", "5") + parameter("b", "true") + parameter("o", "{\"x\": [1, 2]}")),
         "",
         {{"f", R"({"n": 5, "b": true, "o": {"x": [1, 2]}})"}}},
        // Values on one line with their tags; and with newlines of their own.
        {"<tool_call><function=f><parameter=s>5</parameter><parameter=n>5</parameter></function>"
         "</tool_call> b",
         " b",
         {{"f", R"({"s": "5", "n": 5})"}}},
        {call(parameter("s", "\n x \n")), "", {{"f", R"({"s": "\n x \n"})"}}},
        {call(parameter("s", "")), "", {{"f", R"({"s": ""})"}}},
        {call("<parameter=s>\n</parameter>"), "", {{"f", R"({"s": ""})"}}},
        // Tags within a value are text, unless they end it.
        {call(parameter("s", "a <tool_call> <parameter=x> </function> </tool_call> <b>")),
         "",
         {{"f", R"({"s": "a <tool_call> <parameter=x> </function> </tool_call> <b>"})"}}},
        // What is not what the schema says is a string.
        {call(parameter("n", "five") + parameter("o", "{x") + parameter("a", "1,2")),
         "",
         {{"f", R"({"n": "five", "o": "{x", "a": "1,2"})"}}},
        {call(parameter("z", "null") + parameter("z", "text") + parameter("s", "null")),
         "",
         {{"f", R"({"z": null, "z": "text", "s": "null"})"}}},
        // Without a schema: JSON, or else a string.
        {call(parameter("x", "[1]") + parameter("y", "yes") + parameter("z\"", "7"), "g"),
         "",
         {{"g", R"({"x": [1], "y": "yes", "z\"": 7})"}}},
    });
}

TEST_CASE("qwen3_coder_calls: what is not whole is found or stays text, however it is split") {
    check_found({
        // Tags that are missing.
        {"a <function=f>\n" + parameter("n", "1") + "</function> b", "a b", {{"f", R"({"n": 1})"}}},
        {"<function=f>\n" + parameter("n", "1") + "</function>\n</tool_call>",
         "",
         {{"f", R"({"n": 1})"}}},
        {"<tool_call>\n" + call(parameter("n", "1")), "", {{"f", R"({"n": 1})"}}},
        {"<tool_call>\n<function=f>\n<parameter=n>\n1\n<parameter=s>\n2\n</function>\n</tool_call>",
         "",
         {{"f", R"({"n": 1, "s": "2"})"}}},
        {"<tool_call>\n<function=f>\n<parameter=n>\n1\n</tool_call>\n" + call("", "g"),
         "",
         {{"f", R"({"n": 1})"}, {"g", "{}"}}},
        {"<tool_call>\n<function=f>\n" + parameter("n", "1") + "so it is",
         "\nso it is",
         {{"f", R"({"n": 1})"}}},
        {"<tool_call>\n<function=f>\n" + parameter("n", "1") + "<parameter=\n>x",
         "\n<parameter=\n>x",
         {{"f", R"({"n": 1})"}}},
        // The end comes too early.
        {"a \n<tool_call>\n<function=f>\n<parameter=s>\nab\nc",
         "a",
         {{"f", R"({"s": "ab\nc)"}},
         " \n<tool_call>\n<function=f>\n<parameter=s>\nab\nc"},
        {"<tool_call>\n<function=f>\n<parameter=o>\n{\"x\": ",
         "",
         {{"f", R"({"o": {"x": )"}},
         "<tool_call>\n<function=f>\n<parameter=o>\n{\"x\": "},
        {call("") + "<function=g>\n" + parameter("x", "1"),
         "",
         {{"f", "{}"}, {"g", "{\"x\": 1"}},
         "<function=g>\n" + parameter("x", "1")},
        // No calls: nothing is lost.
        {"<tool_call>\nnot a call\n</tool_call>", "<tool_call>\nnot a call\n</tool_call>", {}},
        {"<tool_call>\n<function=f", "<tool_call>\n<function=f", {}},
        {"<tool_call>\n<function=f>\n", "<tool_call>\n<function=f>\n", {}},
        {"<function=f> is how it begins", "<function=f> is how it begins", {}},
        {"<function=> <function=a b\n> <func", "<function=> <function=a b\n> <func", {}},
        {"x <b> y \n ", "x <b> y \n ", {}},
    });
}

TEST_CASE("qwen3_coder_calls: a call is passed on while it is made") {
    Qwen3CoderCallParser parser(true, &parameters());
    std::vector<ToolPiece> pieces;
    auto push = [&](std::string_view text) {
        pieces.clear();
        parser.push(text, pieces);
        return pieces.empty() ? std::string() : pieces.back().text;
    };
    push("<tool_call>\n<function=f>\n");
    CHECK(pieces.empty());
    CHECK(push("<parameter=s>") == "{\"s\": ");
    REQUIRE(pieces.size() == 2);
    CHECK(pieces[0].kind == ToolPiece::Kind::call);
    CHECK(pieces[0].text == "f");
    CHECK(push("\nab") == "\"ab");
    CHECK(push("c <") == "c ");
    CHECK(push("d\n") == "<d");
    CHECK(push("</param") == "");
    CHECK(push("eter>\n<parameter=n>\n12") == "\", \"n\": ");
    CHECK(push("3\n</parameter>") == "123");
    CHECK(push("\n</function>") == "");
    CHECK(pieces.back().kind == ToolPiece::Kind::call_end);
}

TEST_CASE("qwen3_coder_calls: a tag in prose withholds nothing") {
    for (const std::string_view opening :
         {"<tool_call> ", "<tool_call><function=", "<function=", "<function=f> ",
          "<tool_call><function=f>", "<tool_call><tool_call> \n"}) {
        Qwen3CoderCallParser parser;
        std::vector<ToolPiece> pieces;
        parser.push(opening, pieces);
        const std::string prose(2000, 'x');
        for (char c : prose) parser.push({&c, 1}, pieces);
        REQUIRE(pieces.size() == 1);
        CHECK(pieces[0].text == std::string(opening) + prose);
    }
}

TEST_CASE("qwen3_coder_calls: tags that are special tokens are no text") {
    CHECK(parse("a <tool_call> b </tool_call> c", 1, false).text == "a  b  c");
    CHECK(parse("a\n<tool_call>\n" + call(""), 3, false).text == "a");
    CHECK(parse("a <tool_call><function=f b", 2, false).text == "a <function=f b");
    const std::string begun = "<function=f><parameter=s>x";
    CHECK(parse("a <tool_call>" + begun, 2, false).cut == " " + begun);
}

TEST_CASE("qwen3_coder_calls: any text gives the same in any pieces, and loses nothing") {
    std::mt19937 random(std::random_device{}());
    const std::vector<std::string> parts = {"<tool_call>",
                                            "</tool_call>",
                                            "<tool_call>\n<function=f>\n",
                                            "<function=f>",
                                            "<function=",
                                            "</function>",
                                            "</function>\n</tool_call>",
                                            "<parameter=s>",
                                            "<parameter=n>\n",
                                            "<parameter=",
                                            "\n</parameter>\n",
                                            "</parameter>",
                                            ">",
                                            "<",
                                            "\n",
                                            "  ",
                                            "1",
                                            "{\"x\": [",
                                            "]}",
                                            "\"",
                                            "\\",
                                            "null",
                                            "True",
                                            "é",
                                            "text",
                                            call(parameter("s", "a\n") + parameter("n", "3")),
                                            call("")};
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (size_t n = random() % 14; n > 0; n--) text += parts[random() % parts.size()];
        CAPTURE(text);
        const Found whole = parse(text, text.size() + 1);
        REQUIRE(parse(text, 1) == whole);
        REQUIRE(parse(text, 0) == whole);
        if (whole.calls.empty()) REQUIRE(whole.text == text);
        for (size_t i = 0; i < whole.calls.size(); i++) {
            REQUIRE(!whole.calls[i].first.empty());
            if (int(i) < whole.n_ended) REQUIRE(is_json(whole.calls[i].second));
        }
        REQUIRE(whole.n_ended + !whole.cut.empty() == int(whole.calls.size()));
    }
}
