// Tools as a client describes them, and as a chat template knows them.

#include <fmt/format.h>

#include <map>

#include <string>
#include <vector>

#include "tests/unit/daemon/api/anthropic/parsed.h"

using namespace qwend;

namespace {

std::vector<std::string> tools_of(const std::string& tools, const std::string& more = "") {
    return with_fields("\"tools\":[" + tools + "]" + more).generation.chat_options.tools;
}

const std::string kTool = R"({"name":"f","input_schema":{"type":"object"}})";

}  // namespace

TEST_CASE("anthropic_tools: a template sees functions, their schemas as they were written") {
    CHECK(tools_of(R"({"name":"get \"it\"","description":"d","input_schema":)"
                   R"({"type":"object", "b":{"maximum":1e400},"a":[ ]},"cache_control":{},)"
                   R"("strict":true,"defer_loading":true,"eager_input_streaming":true,)"
                   R"("input_examples":[{}],"allowed_callers":["direct"],"type":"custom"})") ==
          std::vector<std::string>{
              R"({"type":"function","function":{"name":"get \"it\"","description":"d",)"
              R"("parameters":{"type":"object", "b":{"maximum":1e400},"a":[ ]}}})"});
    CHECK(tools_of(kTool) ==
          std::vector<std::string>{
              R"({"type":"function","function":{"name":"f","parameters":{"type":"object"}}})"});
}

TEST_CASE("anthropic_tools: a schema without a type is of an object") {
    const auto parameters = [](const std::string& schema) {
        const std::string tool = tools_of(R"({"name":"f","input_schema":)" + schema + "}")[0];
        const size_t at = tool.find("\"parameters\":") + 13;
        return tool.substr(at, tool.size() - at - 2);
    };
    CHECK(parameters("{}") == R"({"type":"object"})");
    CHECK(parameters("{ }") == R"({"type":"object" })");
    CHECK(parameters(R"({"properties":{}})") == R"({"type":"object","properties":{}})");
}

TEST_CASE("anthropic_tools: those that Anthropic's servers run are left out") {
    CHECK(tools_of(R"({"type":"web_search_20250305","name":"web_search","max_uses":5},)"
                   R"({"type":"bash_20250124","name":"bash"},{"type":"mcp_toolset"},)" +
                   kTool)
              .size() == 1);
}

TEST_CASE("anthropic_tools: what is no tool is refused by its path") {
    const auto refused = [](const std::string& tools) {
        AnthropicRequest q;
        return param_of(parse_fields("\"tools\":[" + tools + "]", q));
    };
    CHECK(refused(kTool + ",{}") == "tools[1].name");
    CHECK(refused("7") == "tools[0]");
    CHECK(refused(R"({"name":"","input_schema":{}})") == "tools[0].name");
    CHECK(refused(R"({"name":"f"})") == "tools[0].input_schema");
    CHECK(refused(R"({"name":"f","type":"custom"})") == "tools[0].input_schema");
    CHECK(refused(R"({"name":"f","input_schema":[]})") == "tools[0].input_schema");
    CHECK(refused(R"({"name":"f","type":1,"input_schema":{}})") == "tools[0].type");
    std::string many = kTool;
    for (int i = 0; i < 1024; i++) many += "," + kTool;
    CHECK(refused(many) == "tools");
}

TEST_CASE("anthropic_tools: one may be called, or none, or has to be") {
    const auto choose = [](const std::string& choice) {
        return with_fields(fmt::format(R"("tool_choice":{},"tools":[{}])", choice, kTool))
            .generation;
    };
    CHECK(choose(R"({"type":"auto"})").chat_options.tools.size() == 1);
    CHECK(choose(R"({"type":"none"})").chat_options.tools.empty());
    CHECK(choose(R"({"type":"auto"})").parallel_tool_calls);
    CHECK_FALSE(choose(R"({"type":"auto","disable_parallel_tool_use":true})").parallel_tool_calls);
    CHECK(choose(R"({"type":"auto","disable_parallel_tool_use":false})").parallel_tool_calls);
    CHECK_FALSE(choose(R"({"type":"auto"})").calls_required);
    const std::string name = choose(R"({"type":"auto"})").tools.at(0).name;
    const Generation any = choose(R"({"type":"any","disable_parallel_tool_use":true})");
    CHECK(any.calls_required);
    CHECK(any.called_tool.empty());
    CHECK_FALSE(any.parallel_tool_calls);
    const Generation one = choose(fmt::format(R"({{"type":"tool","name":"{}"}})", name));
    CHECK(one.calls_required);
    CHECK(one.called_tool == name);
    for (const auto& [choice, param] : std::map<std::string, std::string>{
             {R"({"type":"any"})", "tool_choice"},  // there are no tools
             {R"({"type":"tool","name":"f"})", "tool_choice"},
             {R"({"type":"tool"})", "tool_choice.name"},
             {R"({"type":"tool","name":""})", "tool_choice.name"},
             {R"({"type":"all"})", "tool_choice"}}) {
        AnthropicRequest q;
        CHECK(param_of(parse_fields("\"tool_choice\":" + choice, q)) == param);
    }
    AnthropicRequest q;
    CHECK(param_of(parse_fields(R"("tool_choice":{"type":"auto","disable_parallel_tool_use":1})",
                                q)) == "tool_choice.disable_parallel_tool_use");
}

TEST_CASE("anthropic_tools: what a grammar has to know of each") {
    const auto tools = with_fields(R"("tools":[{"type":"web_search_20250305","name":"w"},
        {"name":"f","input_schema":{"properties":{}},"strict":true},
        {"name":"g","input_schema":{},"strict":null}])")
                           .generation.tools;
    CHECK(tools ==
          std::vector<OfferedTool>{{"f", R"({"properties":{}})", true, "tools[1].input_schema"},
                                   {"g", "{}", {}, "tools[2].input_schema"}});
    AnthropicRequest q;
    CHECK(param_of(parse_fields(R"("tools":[{"name":"f","input_schema":{},"strict":1}])", q)) ==
          "tools[0].strict");
}
