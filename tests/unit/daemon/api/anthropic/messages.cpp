// Conversations as clients send them: what they hold is taken, whatever shape it has.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/unit/daemon/api/anthropic/parsed.h"

using namespace qwend;

namespace {

std::optional<ApiError> parse(const std::string& messages, AnthropicRequest& request,
                              const std::string& fields = "") {
    return parse_messages(R"({"max_tokens":9,"messages":[)" + messages + "]" + fields + "}",
                          request);
}

/// A line for each message as the template gets it: role|content, |(reasoning), and |name arguments
/// for calls.
std::string read(const std::string& messages, const std::string& fields = "") {
    AnthropicRequest request;
    if (const auto error = parse(messages, request, fields)) return error->message;
    std::string lines;
    for (const ChatMessage& message : request.generation.messages) {
        lines += message.role + "|" + message.content;
        if (!message.reasoning.empty()) lines += "|(" + message.reasoning + ")";
        for (const ChatToolCall& call : message.tool_calls)
            lines += "|" + call.name + " " + call.arguments;
        lines += "\n";
    }
    return lines;
}

std::string user(const std::string& content) {
    return R"({"role":"user","content":)" + content + "}";
}

std::string assistant(const std::string& content) {
    return R"({"role":"assistant","content":)" + content + "}";
}

}  // namespace

TEST_CASE("anthropic_messages: a content is a string or blocks of text") {
    CHECK(read(user("\"a\"")) == "user|a\n");
    CHECK(read(user(R"([{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},)"
                    R"({"type":"text","text":""},{"type":"text","text":null},)"
                    R"({"type":"text","text":"b","citations":[]}])")) == "user|ab\n");
    CHECK(read(user(R"([{"type":"text","text":""}])")) == "user|\n");  // stays a turn
    CHECK(read(user("[]")) == "user|\n");
    CHECK(read(user(R"([{"type":"search_result","source":"s","title":"t",)"
                    R"("content":[{"type":"text","text":"found"}]}])")) == "user|found\n");
}

TEST_CASE("anthropic_messages: a call and its result have the id that joins them") {
    AnthropicRequest q;
    REQUIRE_FALSE(parse(user("\"a\"") + "," +
                            assistant(R"([{"type":"tool_use","id":"toolu_1","name":"f"},)"
                                      R"({"type":"tool_use","id":7,"name":"g"}])") +
                            "," +
                            user(R"([{"type":"tool_result","tool_use_id":"toolu_1"},)"
                                 R"({"type":"tool_result","content":"b"},)"
                                 R"({"type":"text","text":"c"}])"),
                        q));
    const auto& messages = q.generation.messages;
    REQUIRE(messages.size() == 5);
    CHECK(messages[1].tool_calls.at(0).id == "toolu_1");
    CHECK(messages[1].tool_calls.at(1).id == "");
    CHECK(messages[2].role == "tool");
    CHECK(messages[2].tool_call_id == "toolu_1");
    CHECK(messages[3].tool_call_id == "");
    CHECK(messages[4].tool_call_id == "");
}

TEST_CASE("anthropic_messages: system is a string or blocks, wherever it stands among the fields") {
    CHECK(read(user("\"a\""), R"(,"system":"s")") == "system|s\nuser|a\n");
    AnthropicRequest q;
    CHECK_FALSE(
        parse_messages(R"({"system":"s","max_tokens":1,"messages":[)" + user("\"a\"") + "]}", q));
    CHECK(q.generation.messages[0].content == "s");
    CHECK(read(user("\"a\""),
               R"(,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}},)"
               R"({"type":"text","text":"t"}])") == "system|st\nuser|a\n");
    for (const char* nothing : {R"(,"system":"")", R"(,"system":[])", R"(,"system":null)",
                                R"(,"system":[{"type":"text","text":""}])"})
        CHECK(read(user("\"a\""), nothing) == "user|a\n");
}

TEST_CASE("anthropic_messages: whom a request is billed to is not for the model") {
    const std::string block = R"({"type":"text","text":"x-anthropic-billing-header: cch=0a1b2;"})";
    CHECK(read(user("\"a\""), R"(,"system":[)" + block + R"(,{"type":"text","text":"s"}])") ==
          "system|s\nuser|a\n");
    CHECK(read(user("\"a\""), R"(,"system":[)" + block + "]") == "user|a\n");
    CHECK(read(user("\"a\"") + R"(,{"role":"system","content":[)" + block + "]}") == "user|a\n");
    // A user may well ask about it.
    CHECK(read(user("[" + block + "]")) == "user|x-anthropic-billing-header: cch=0a1b2;\n");
}

TEST_CASE("anthropic_messages: the system's turns stay where they are") {
    for (const std::string role : {"system", "ctx", "msg", "developer"})
        CHECK(read(user("\"a\"") + fmt::format(R"(,{{"role":"{}","content":"hook"}},)", role) +
                       assistant("\"b\"") + "," + user("\"c\""),
                   R"(,"system":"s")") ==
              fmt::format("system|s\nuser|a\n{}|hook\nassistant|b\nuser|c\n",
                          role == "developer" ? role : "system"));
    CHECK(read(user("\"a\"") + R"(,{"role":"system","content":[{"type":"tool_addition"}]})") ==
          "user|a\n");
}

TEST_CASE("anthropic_messages: calls, and their results before the rest of a user's turn") {
    const std::string calls =
        assistant(R"([{"type":"text","text":"Let me "},{"type":"text","text":"see."},)"
                  R"({"type":"tool_use","id":"1","name":"f","input":{"b": 1, "a": [1e400]}},)"
                  R"({"type":"tool_use","id":"2","name":"g","input":{}}])");
    const std::string results =
        user(R"([{"type":"text","text":"and "},)"
             R"({"type":"tool_result","tool_use_id":"1","content":"one","is_error":true},)"
             R"({"type":"tool_result","tool_use_id":"2","content":[{"type":"text","text":"t"},)"
             R"({"type":"text","text":""},{"type":"tool_reference","tool_name":"x"},)"
             R"({"type":"text","text":"u"}]},)"
             R"({"type":"tool_result","tool_use_id":"3"},{"type":"text","text":"then?"}])");
    CHECK(read(user("\"q\"") + "," + calls + "," + results) ==
          "user|q\nassistant|Let me see.|f {\"b\": 1, \"a\": [1e400]}|g {}\n"
          "tool|one\ntool|t\nu\ntool|\nuser|and then?\n");
    CHECK(read(user("\"q\"") + "," + calls + "," +
               user(R"([{"type":"tool_result","tool_use_id":"1","content":"one"},)"
                    R"({"type":"text","text":""}])"))
              .ends_with("\ntool|one\n"));
}

TEST_CASE("anthropic_messages: no input of an earlier call makes a request impossible") {
    for (const char* input : {"", R"(,"input":null)", R"(,"input":"")", R"(,"input":"{\"a")",
                              R"(,"input":[1])", R"(,"input":7)"})
        CHECK(read(user("\"q\"") + "," +
                   assistant(fmt::format(R"([{{"type":"tool_use","name":"f"{}}}])", input))) ==
              "user|q\nassistant||f {}\n");
}

TEST_CASE("anthropic_messages: thoughts are kept apart, and what nobody knows yet is passed over") {
    CHECK(read(user("\"q\"") + "," +
               assistant(
                   R"([{"type":"thinking","thinking":"hm","signature":"s"},{"type":"thinking"},)"
                   R"({"type":"redacted_thinking","data":"x"},)"
                   R"({"type":"server_tool_use","id":"1","name":"web_search","input":{}},)"
                   R"({"type":"web_search_tool_result","tool_use_id":"1","content":[]},)"
                   R"({"type":"of_2030","deep":[{"x":{}}]},{"type":"text","text":"a"}])") +
               "," + user("\"r\"")) == "user|q\nassistant|a|(hm)\nuser|r\n");
    CHECK(read(user("\"q\"") + "," + assistant("[]") + "," + user("\"r\"")) ==
          "user|q\nassistant|\nuser|r\n");
}

TEST_CASE("anthropic_messages: what the assistant has begun is gone on with") {
    const auto continues = [](const std::string& messages) {
        AnthropicRequest q;
        CHECK_FALSE(parse(messages, q));
        return q.generation.chat_options.continue_final_message;
    };
    CHECK(continues(user("\"a\"") + "," + assistant("\"The answer is (\"")));
    CHECK_FALSE(continues(user("\"a\"")));
    CHECK_FALSE(continues(user("\"a\"") + "," + assistant("\"b\"") + "," + user("\"c\"")));
    CHECK_FALSE(continues(user("\"a\"") + "," + assistant(R"([{"type":"tool_use","name":"f"}])")));
}

TEST_CASE("anthropic_messages: what is no text or no message is refused by its path") {
    struct Case {
        std::string messages, param;
    };
    std::string many = user("\"x\"");
    for (int i = 0; i < 4096; i++) many += "," + user("\"x\"");
    std::string results = R"({"type":"tool_result"})";
    for (int i = 0; i < 4096; i++) results += R"(,{"type":"tool_result"})";
    for (auto& c : std::vector<Case>{
             {user(R"([{"type":"text","text":"a"},{"type":"image","source":{"type":"base64"}}])"),
              "messages[0].content[1].type"},
             {user(R"([{"type":"document","source":{"type":"text","data":"d"}}])"),
              "messages[0].content[0].type"},
             {user(R"([{"type":"tool_result","content":[{"type":"image"}]}])"),
              "messages[0].content[0].content[0].type"},
             {user(R"(["a"])"), "messages[0].content[0]"},
             {user(R"([{}])"), "messages[0].content[0]"},
             {user(R"([{"type":"text"}])"), "messages[0].content[0].text"},
             {user(R"([{"type":"text","text":1}])"), "messages[0].content[0].text"},
             {user(R"([{"type":"tool_result","content":5}])"), "messages[0].content[0].content"},
             {user("5"), "messages[0].content"},
             {R"({"role":"user"})", "messages[0].content"},
             {R"({"content":"a"})", "messages[0].role"},
             {R"({"role":"robot","content":"a"})", "messages[0].role"},
             {R"({"role":"tool","content":"a"})", "messages[0].role"},
             {R"({"role":1,"content":"a"})", "messages[0].role"},
             {user("\"a\"") + "," + assistant(R"([{"type":"tool_use","input":{}}])"),
              "messages[1].content[0].name"},
             {"7", "messages[0]"},
             {"", "messages"},
             {R"({"role":"system","content":""})", "messages"},
             {many, "messages"},
             {user("[" + results + "]"), "messages"}}) {
        CAPTURE(c.messages.substr(0, 200));
        AnthropicRequest q;
        const auto error = parse(c.messages, q);
        REQUIRE(error);
        CHECK(error->status == 400);
        CHECK(error->param == c.param);
        CHECK(error->message.starts_with(c.param));
        CHECK(error->message.size() < 300);
    }
    AnthropicRequest q;
    CHECK(parse(user(R"([{"type":"image"}])"), q)->message.find("found \"image\"") !=
          std::string::npos);
}
