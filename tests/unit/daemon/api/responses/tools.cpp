// Tools: what the model is shown of each, and the names by which either side knows them.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/responses/parsed.h"

using namespace qwend;

namespace {

struct Tools {
    std::string error;               // the parameter that is wrong
    std::vector<std::string> shown;  // to the model
    std::string names;               // "called=namespace/name;", with an asterisk if it takes text
    int n_unknown = 0;
};

Tools read(const std::string& tools, const std::string& more = "") {
    ResponseRequest request;
    Tools read;
    if (const auto error = parse_response(R"({"input":"x","tools":)" + tools + more + "}", request))
        read.error = error->param;
    read.shown = request.base.generation.chat_options.tools;
    for (const ResponseTool& tool : request.style.tools)
        read.names += tool.called + "=" + tool.name_space + "/" + tool.name +
                      (tool.kind == ResponseTool::Kind::custom ? "*;" : ";");
    read.n_unknown = request.base.n_unknown_fields;
    return read;
}

using Shown = std::vector<std::string>;

}  // namespace

TEST_CASE("responses_tools: a function is shown as chat shows it") {
    const Tools tools = read(R"([{"type":"function","parameters":{"type": "object"},"name":"f",
        "strict":true,"description":"d"},{"type":"function","name":"g","description":null},
        {"type":"function","function":{"name":"h"}}])");
    CHECK(tools.shown ==
          Shown{R"({"type":"function","function":{"parameters":{"type": "object"},"name":"f",)"
                R"("description":"d"}})",
                R"({"type":"function","function":{"name":"g"}})",
                R"({"type":"function","function":{"name":"h"}})"});
    CHECK(tools.names == "f=/f;g=/g;h=/h;");
}

TEST_CASE("responses_tools: those of a namespace are called by both names") {
    const Tools tools = read(R"([{"type":"namespace","name":"mcp__git","description":"d","tools":[
        {"type":"function","name":"log","parameters":{}},{"type":"custom","name":"apply"}]}])");
    CHECK(tools.names == "mcp__git__log=mcp__git/log;mcp__git__apply=mcp__git/apply*;");
    CHECK(tools.shown[0] ==
          R"({"type":"function","function":{"name":"mcp__git__log","parameters":{}}})");
}

TEST_CASE("responses_tools: one that takes text is a function of one string") {
    const Tools tools = read(R"([{"type":"custom","name":"apply_patch","description":"Edit files.",
        "format":{"type":"grammar","syntax":"lark","definition":"start: \"x\""}}])");
    CHECK(tools.names == "apply_patch=/apply_patch*;");
    CHECK(
        tools.shown ==
        Shown{R"({"type":"function","function":{"name":"apply_patch","description":"Edit files.)"
              R"(\n\nThe input follows this grammar:\nstart: \"x\"","parameters":{"type":"object")"
              R"(,"properties":{"input":{"type":"string"}},"required":["input"]}}})"});
}

TEST_CASE("responses_tools: those that a server runs are passed over, and counted") {
    const Tools tools = read(R"([{"type":"web_search"},{"type":"function","name":"f"},
        {"type":"local_shell"},{"type":"image_generation"},{"type":"tool_search"},
        {"type":"mcp","server_label":"x"}])");
    CHECK(tools.names == "f=/f;");
    CHECK(tools.shown.size() == 1);
    CHECK(tools.n_unknown == 5);
}

TEST_CASE("responses_tools: the model sees those that it may call") {
    const std::string two = R"([{"type":"function","name":"f"},{"type":"namespace","name":"n",
        "tools":[{"type":"function","name":"g"}]}])";
    CHECK(read(two, R"(,"tool_choice":"none")").shown.empty());
    const Tools one = read(two, R"(,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[
        {"type":"function","namespace":"n","name":"g"}]})");
    REQUIRE(one.shown.size() == 1);
    CHECK(one.shown[0].find("n__g") != std::string::npos);
    const auto allowed = [&](const std::string& choice) {
        return read(two, R"(,"tool_choice":{"type":"allowed_tools",)" + choice + "}").error;
    };
    CHECK(allowed(R"("mode":"auto","tools":[{"type":"function","name":"h"}])") ==
          "tool_choice.allowed_tools");
    CHECK(allowed(R"("mode":"none","tools":[])") == "tool_choice.mode");
    CHECK(allowed(R"("mode":"required","tools":[])") == "tool_choice");  // there is none
    CHECK(allowed(R"("mode":"required","tools":[{"type":"function","name":"f"}])").empty());
    CHECK(allowed(R"("mode":"auto")") == "tool_choice");
    CHECK(allowed(R"("mode":"auto","tools":[{"type":"function"}])") == "tool_choice.tools[0]");
}

TEST_CASE("responses_tools: what cannot be understood is named by its place") {
    CHECK(read(R"(["f"])").error == "tools[0]");
    CHECK(read(R"([{"name":"f"}])").error == "tools[0]");
    CHECK(read(R"([{"type":"function"}])").error == "tools[0]");
    CHECK(read(R"([{"type":"custom"}])").error == "tools[0]");
    CHECK(read(R"([{"type":"namespace","name":"n"}])").error == "tools[0]");
    CHECK(read(R"([{"type":"namespace","name":"n","tools":[{"type":"function"}]}])").error ==
          "tools[0].tools[0]");
    std::string many = "[";
    for (int i = 0; i < 129; i++) many += R"({"type":"function","name":"f"},)";
    many.back() = ']';
    CHECK(read(many).error == "tools");
}
