#include "model/grammar/tools/calls.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "model/grammar/automaton.h"
#include "model/grammar/schema/branch.h"

using namespace qwend::grammar;

namespace {

const char* kWeather = R"({"type":"object","properties":{"city":{"type":"string"},"days":
{"type":"integer","minimum":1,"maximum":9}},"required":["city"],"additionalProperties":false})";

CallRules two_tools() {
    CallRules rules;
    rules.tools = {{"weather", kWeather, Tool::Arguments::valid}, {"time", "", {}}};
    rules.open.token =
        "\xFF"
        "1"
        "\xFE";
    rules.close.token =
        "\xFF"
        "2"
        "\xFE";
    return rules;
}

struct Calls {
    Automaton automaton;

    explicit Calls(const CallRules& rules, std::string_view answer = "")
        : automaton(grammar_of(rules, answer), {}) {}
    static Grammar grammar_of(const CallRules& rules, std::string_view answer) {
        Grammar grammar;
        NodeId other = kNoNode;
        if (!answer.empty()) other = grammar.text(grammar.languages.literal(answer));
        const CallNodes nodes = add_calls(grammar, rules, other);
        grammar.root = nodes.root;
        grammar.finish();
        check_tools(grammar, rules, nodes);
        return grammar;
    }
    /// It is a text of the grammar.
    bool take(std::string_view text) {
        return automaton.accepts(automaton.after(automaton.start(), text));
    }
    /// A text of the grammar begins so.
    bool begin(std::string_view text) {
        return automaton.after(automaton.start(), text) != Automaton::kDead;
    }
};

std::string call(std::string_view name, std::string_view arguments) {
    return fmt::format("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>", name,
                       arguments);
}

const std::string kParis = call("weather", R"({"city": "Paris"})");
const std::string kNow = call("time", R"({"zone": [1, {"a": null}]})");

size_t bad_tool(const CallRules& rules) {
    try {
        Calls calls(rules);
    } catch (const ToolError& error) {
        return error.tool;
    }
    return SIZE_MAX;
}

}  // namespace

TEST_CASE("calls: required ones are calls and nothing else, of tools that there are") {
    CallRules rules = two_tools();
    rules.required = true;
    Calls calls(rules);
    CHECK(calls.take(kParis));
    CHECK(calls.take(kParis + "\n" + kNow + kParis));
    CHECK(
        calls.take("\xFF"
                   "1\xFE{\"name\":\"time\",\"arguments\":{}}\xFF"
                   "2\xFE"));
    CHECK(calls.take(call("weather", R"({"city": "<tool_call>", "days": 9})")));
    CHECK_FALSE(calls.take(""));
    CHECK_FALSE(calls.take(kParis + "\n"));  // another one has to follow
    for (const auto& wrong :
         {std::string("Hello"), " " + kParis, kParis + "Hello", kParis + " ", call("tim", "{}"),
          call("times", "{}"), call("weather", "{}"),
          call("weather", R"({"city": "P", "days": 0})"), call("weather", R"({"town": "P"})"),
          call("time", "[]"), call("time", "null")})
        CHECK_MESSAGE(!calls.begin(wrong), wrong);
}

TEST_CASE("calls: one alone is the end of the answer") {
    CallRules rules = two_tools();
    rules.only_one = true;
    Calls text(rules);
    CHECK(text.take("Well. " + kParis));
    CHECK(text.take("Well."));
    CHECK_FALSE(text.begin(kParis + "\n"));
    rules.required = true;
    Calls required(rules);
    CHECK(required.take(kParis));
    CHECK_FALSE(required.begin(kParis + "\n"));
    CHECK_FALSE(required.begin(kParis + "<"));
}

TEST_CASE("calls: text may stand around them, but have none in it that is not as it should be") {
    Calls calls(two_tools());
    CHECK(calls.take(""));
    CHECK(calls.take("Is a < b? <tool> <tool_cal> \xC3\xA9 </tool_call>"));
    CHECK(calls.take("I shall see.\n" + kParis + "\nAnd:\n" + kNow + " That is it."));
    CHECK_FALSE(calls.take("a <tool_call> b"));
    CHECK_FALSE(calls.begin("a <tool_call> b"));
    CHECK_FALSE(calls.begin(call("weather", "{}")));
    CHECK_FALSE(calls.begin(kParis + " and " + call("weather", "{}")));
    CHECK_FALSE(calls.begin("\xC3("));  // no UTF-8
    CHECK_FALSE(
        calls.begin("a \xFF"
                    "3\xFE"));  // another token
    CHECK_FALSE(calls.take("\xC3"));
}

TEST_CASE("calls: without tags they stand before any text, and are valid as well") {
    Calls calls(two_tools());
    const std::string paris = R"({"name": "weather", "arguments": {"city": "Paris"}})";
    const std::string wrong = R"({"name": "weather", "arguments": {"town": "Paris"}})";
    CHECK(calls.take(paris));
    CHECK(calls.take("```json\n" + paris + "\n" + paris + "\n```"));
    CHECK(calls.take("```\n" + paris + "```\nThere."));
    CHECK(calls.take("\n" + paris + "\n" + paris + "\n" + kParis));
    CHECK(calls.take("See: " + wrong));  // is none there
    CHECK(calls.take(R"({"name": "nobody", "arguments": {"town": "Paris"}})"));
    CHECK(calls.take("```json\n[1]\n```"));
    for (const std::string before : {"", " \t\n", "```json\n", "```\n", "```json\r\n \n"}) {
        CHECK_FALSE(calls.begin(before + wrong));
        CHECK_FALSE(calls.begin(before + "{ \n\"name\" :\t\"weather\" , \"arguments\":{\"t"));
    }
    CHECK_FALSE(calls.begin(paris + wrong));
    CHECK_FALSE(calls.take("```json\n" + paris));
}

TEST_CASE("calls: an answer that has a form is either that or calls") {
    Calls calls(two_tools(), "42");
    CHECK(calls.take("42"));
    CHECK(calls.take(kParis + kNow));
    CHECK_FALSE(calls.begin("4<"));
    CHECK_FALSE(calls.begin(kParis + "4"));
    CHECK_FALSE(calls.begin("See"));
    CallRules rules = two_tools();
    rules.required = true;
    CHECK_FALSE(Calls(rules, "42").begin("4"));
}

TEST_CASE("calls: text that would be read as something else may be kept from beginning so") {
    CallRules rules = two_tools();
    rules.no_beginning = "<think>";
    Calls calls(rules);
    CHECK(calls.take("<thin> <think>"));
    CHECK_FALSE(calls.begin(" \n<think>"));
    CHECK(Calls(two_tools()).take(" \n<think>"));
}

TEST_CASE("calls: names are what JSON makes of them") {
    CallRules rules;
    rules.tools = {{"a\"b\\", "", {}}, {"\xC3\xA9", "", {}}};
    Calls calls(rules);
    CHECK(calls.take(call("a\\\"b\\\\", "{}")));
    CHECK(calls.take(call("\xC3\xA9", "{}")));
    CHECK_FALSE(calls.begin(call("a\"", "{}")));
    CHECK(calls.take(R"({"name": "a\"b\\", "arguments": {}})"));  // text: no reader knows it
}

TEST_CASE("calls: arguments are objects, whatever a schema allows besides") {
    CallRules rules;
    const char* node = R"({"anyOf":[{"type":"string"},{"type":"object","properties":{"next":
{"$ref":"#"}},"additionalProperties":false}]})";
    rules.tools = {{"f", node, Tool::Arguments::valid},
                   {"g", R"({"enum":[1,{"a":1}]})", Tool::Arguments::valid}};
    Calls calls(rules);
    CHECK(calls.take(call("f", R"({"next": {"next": "x"}})")));
    CHECK(calls.take(call("g", R"({"a":1})")));
    CHECK_FALSE(calls.begin(call("f", "\"x\"")));
    CHECK_FALSE(calls.begin(call("g", "1")));
}

TEST_CASE("calls: a tool that cannot be had is named by its number") {
    const auto valid = Tool::Arguments::valid, if_can = Tool::Arguments::valid_if_can;
    auto with = [](std::vector<Tool> more) {
        CallRules rules = two_tools();
        rules.tools.insert(rules.tools.end(), more.begin(), more.end());
        return rules;
    };
    const char* unique = R"({"properties":{"a":{"type":"array","uniqueItems":true}}})";
    CHECK(bad_tool(with({{"f", unique, valid}})) == 2);
    CHECK(bad_tool(with({{"f", "{}", valid}, {"g", "{", valid}})) == 3);
    CHECK(bad_tool(with({{"f", R"({"type":"string"})", valid}})) == 2);
    CHECK(bad_tool(with({{"f", R"({"required":["a"],"properties":{"a":false}})", valid}})) == 2);
    CHECK(bad_tool(with({{"time", "{}", valid}})) == 2);
    CHECK(bad_tool(with({{"", "{}", valid}})) == 2);
    CHECK(bad_tool(with({{"f", "{}", valid}})) == SIZE_MAX);
    CHECK(bad_tool(with({{"f", unique, {}}})) == SIZE_MAX);
    Calls calls(with({{"f", unique, if_can}, {"g", kWeather, if_can}}));
    CHECK(calls.take(call("f", R"({"a":[1,1]})")));
    CHECK_FALSE(calls.begin(call("g", R"({"a":[1,1]})")));
}

TEST_CASE("calls: as many tools as there may be are one state") {
    CallRules rules;
    for (int i = 0; i < 1024; i++)
        rules.tools.push_back({fmt::format("tool_{}", i), kWeather, Tool::Arguments::valid});
    Calls calls(rules);
    CHECK(calls.take(call("tool_1023", R"({"city": "Paris"})")));
    CHECK_FALSE(calls.begin(call("tool_1024", R"({"city": "Paris"})")));
}

namespace {

CallRules coder_tools() {
    CallRules rules = two_tools();
    rules.format = CallFormat::qwen3_coder;
    rules.tools[0].read_types = {{"city", types::kString}, {"days", types::kNumber}};
    return rules;
}

/// With parameters, each a name and its value as it stands.
std::string function(std::string_view name,
                     const std::vector<std::pair<std::string, std::string>>& parameters) {
    std::string out = fmt::format("<function={}>\n", name);
    for (const auto& [key, value] : parameters)
        out += fmt::format("<parameter={}>\n{}\n</parameter>\n", key, value);
    return out + "</function>";
}

std::string tagged(const std::string& function) {
    return "<tool_call>\n" + function + "\n</tool_call>";
}

}  // namespace

TEST_CASE("calls: in Qwen3-Coder's form a value is a text, or JSON") {
    CallRules rules = coder_tools();
    rules.required = true;
    Calls calls(rules);
    for (const auto& city : {"Paris", "75001", "", " a\n\"b\"\n", "<b>", "</param", "{", "null"})
        CHECK_MESSAGE(calls.take(tagged(function("weather", {{"city", city}}))), city);
    CHECK(calls.take(tagged(function("weather", {{"city", "x"}, {"days", "9"}}))));
    CHECK(calls.take(tagged(function("time", {})) + "\n" +
                     tagged(function("time", {{"zone", "any"}, {"other", "1\n2"}}))));
    for (const auto& wrong : {function("weather", {}), function("weather", {{"days", "1"}}),
                              function("weather", {{"city", "x"}, {"days", "0"}}),
                              function("weather", {{"city", "x"}, {"days", "one"}}),
                              function("weather", {{"city", "x"}, {"town", "y"}}),
                              function("weather", {{"city", "x"}, {"city", "y"}}),
                              function("weather", {{"city", "a</parameter>b"}}),
                              function("weather", {{"city", "<parameter=days>"}}),
                              function("weather", {{"city", "a\n</function>"}}),
                              function("weather", {{"city", "</tool_call>"}}), function("tim", {})})
        CHECK_MESSAGE(!calls.begin(tagged(wrong)), wrong);
    CHECK_FALSE(calls.begin("<function="));  // is text where it is no call
    CHECK_FALSE(calls.take(tagged(function("time", {})) + "\n"));
}

TEST_CASE("calls: in Qwen3-Coder's form text has no call in it that is not as it should be") {
    Calls calls(coder_tools());
    const std::string paris = function("weather", {{"city", "Paris"}});
    CHECK(calls.take("See:\n" + tagged(paris) + "\nand " + paris + "."));
    CHECK(calls.take(R"({"name": "weather", "arguments": {"town": 1}})"));  // is none here
    CHECK_FALSE(calls.begin("See: <function=x"));
    CHECK_FALSE(calls.begin("See: <tool_call>\n<function=weather>\n</function>"));
}

TEST_CASE("calls: in Qwen3-Coder's form a text is none that is read as another value") {
    CallRules rules;
    rules.format = CallFormat::qwen3_coder;
    rules.required = true;
    const char* schema = R"({"properties":{"v":{"anyOf":[{"type":"string","minLength":2},
{"type":"integer","maximum":20},{"type":"array","items":{"type":"string"}}]}},"required":["v"]})";
    rules.tools = {{"f", schema, Tool::Arguments::valid}};
    rules.tools[0].read_types = {{"v", types::kString | types::kNumber | types::kArray}};
    Calls calls(rules);
    auto takes = [&](const std::string& value) {
        return calls.take(tagged(function("f", {{"v", value}})));
    };
    for (const char* value : {"ab", "20", "-7", "2024-01-01", "1.", "true", "null", "[\"a\"]",
                              "[\"a\", \"b\"]", "\xC3\xA9\xC3\xA9", "{x"})
        CHECK_MESSAGE(takes(value), value);
    for (const char* value : {"a", "21", "20.5", " 21", "1e9", "[1]", "[", " [x", "\xC3\xA9"})
        CHECK_MESSAGE(!takes(value), value);
}

TEST_CASE("calls: in Qwen3-Coder's form strings may have a pattern, a length and values") {
    CallRules rules;
    rules.format = CallFormat::qwen3_coder;
    rules.required = true;
    const char* schema = R"({"properties":{"p":{"type":"string","pattern":"^[a-z\"]+$"},
"d":{"type":"string","format":"date"},"e":{"type":"string","enum":["x y","</b>"]},
"n":{"type":"string","maxLength":2},"t":{"not":{"const":"no"},"type":"string"}}})";
    rules.tools = {{"f", schema, Tool::Arguments::valid}};
    for (const char* name : {"p", "d", "e", "n", "t"})
        rules.tools[0].read_types[name] = types::kString;
    Calls calls(rules);
    auto takes = [&](const char* name, const std::string& value) {
        return calls.take(tagged(function("f", {{name, value}})));
    };
    CHECK(takes("p", "abc"));
    CHECK_FALSE(takes("p", "ABC"));
    CHECK_FALSE(takes("p", "a\"c"));  // would be valid, and is not generated
    CHECK(takes("d", "2024-02-29"));
    CHECK_FALSE(takes("d", "2024-02-30"));
    CHECK(takes("e", "x y"));
    CHECK(takes("e", "</b>"));
    CHECK_FALSE(takes("e", "x"));
    CHECK(takes("n", "\xC3\xA9\n"));
    CHECK_FALSE(takes("n", "abc"));
    CHECK(takes("t", "yes"));
    CHECK_FALSE(takes("t", "no"));
}

TEST_CASE("calls: what Qwen3-Coder's form cannot say is the tool's fault") {
    auto with = [](const char* name, const char* schema) {
        CallRules rules = coder_tools();
        rules.tools.push_back({name, schema, Tool::Arguments::valid});
        return bad_tool(rules);
    };
    CHECK(with("a>b", "{}") == 2);
    CHECK(with("f", R"({"required":["a<b"]})") == 2);
    CHECK(with("f", R"({"enum":[{"a":1}]})") == 2);
    CHECK(with("f", R"({"properties":{"a<b":{}}})") == SIZE_MAX);
    CHECK(with("f", "{}") == SIZE_MAX);
}
