// Conversations and tools.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/ollama/parsed.h"

using namespace qwend;

namespace {

ParsedOllama parsed(const std::string& messages) {
    return {true, R"({"model":"m","messages":[)" + messages + "]}"};
}

}  // namespace

TEST_CASE("ollama_messages: roles in any case, and content that may be absent") {
    const auto chat = parsed(
        R"({"role":"System","content":"a"},{"role":"USER","content":"b","images":[]},)"
        R"({"role":"assistant","thinking":"hm"},{"role":"tool","content":"c","tool_name":"f"},)"
        R"({"role":"tool","content":null,"tool_call_id":"call_1"})");
    REQUIRE_FALSE(chat.error);
    const auto& messages = chat.generation().messages;
    std::string all;
    for (const ChatMessage& message : messages) all += message.role + ":" + message.content + " ";
    CHECK(all == "system:a user:b assistant: tool:c tool: ");
    CHECK(messages[2].reasoning == "hm");
    CHECK(messages[3].name == "f");
    CHECK(messages[3].tool_call_id == "");
    CHECK(messages[4].name == "");
    CHECK(messages[4].tool_call_id == "call_1");
}

TEST_CASE("ollama_messages: earlier calls, whose arguments are objects") {
    const auto chat =
        parsed(R"({"role":"user","content":"a"},{"role":"assistant","content":"","tool_calls":[)"
               R"({"function":{"name":"f","arguments":{"x": 1}}},)"
               R"({"id":"1","function":{"index":1,"name":"g","arguments":"{\"y\":2}"}},)"
               R"({"function":{"name":"h"}}]})");
    REQUIRE_FALSE(chat.error);
    const auto& calls = chat.generation().messages[1].tool_calls;
    REQUIRE(calls.size() == 3);
    CHECK(calls[0].name == "f");
    CHECK(calls[0].arguments == R"({"x": 1})");
    CHECK(calls[1].arguments == R"({"y":2})");
    CHECK(calls[2].arguments == "{}");
    CHECK(calls[0].id == "");
    CHECK(calls[1].id == "1");
}

TEST_CASE("ollama_messages: what is wrong is named by its place") {
    for (const auto& [messages, message] :
         {std::pair(R"({"content":"a"})", "messages[0].role: expected system, user, assistant"),
          std::pair(R"({"role":"robot"})", "messages[0].role: expected system, user, assistant"),
          std::pair(R"({"role":"user"},5)", "messages[1]: expected an object"),
          std::pair(R"({"role":"user","content":[]})", "messages[0].content: expected a string"),
          std::pair(R"({"role":5})", "messages[0].role: expected a string"),
          std::pair(R"({"role":"user","images":["aGk="]})", "messages[0].images: not supported"),
          std::pair(R"({"role":"user","images":"a"})", "messages[0].images: expected an array"),
          std::pair(R"({"role":"assistant","tool_calls":{}})", "messages[0].tool_calls: expected"),
          std::pair(R"({"role":"assistant","tool_calls":[{"name":"f"}]})",
                    "messages[0].tool_calls[0].function: expected an object with a name")}) {
        CAPTURE(messages);
        CHECK_MESSAGE(parsed(messages).message().starts_with(message), parsed(messages).message());
    }
    CHECK(ParsedOllama(true, R"({"messages":{}})").message().starts_with("messages: expected an"));
    std::string many;
    for (int i = 0; i < 4097; i++) many += R"({"role":"user"},)";
    CHECK(parsed(many + R"({"role":"user"})").message() == "messages: expected at most 4096");
}

TEST_CASE("ollama_messages: tools as they were sent, where the template shows them") {
    const std::string tool =
        R"({"type":"function","function":{"name":"f","parameters":{"b":1,"a":2}}})";
    const auto chat = parsed_chat("\"tools\":[" + tool + "]");
    REQUIRE_FALSE(chat.error);
    CHECK(chat.generation().chat_options.tools == std::vector<std::string>{tool});
    CHECK(parsed_chat(R"("tools":[{"type":"function"}])")
              .message()
              .starts_with("tools[0]: expected an object with a function that has a name"));
    std::string many;
    for (int i = 0; i < 128; i++) many += tool + ",";
    CHECK(parsed_chat("\"tools\":[" + many + tool + "]").message() ==
          "tools: expected at most 128");
    ModelText without = std::move(*load_demo_text());
    without.chat_template = {};
    CHECK(parsed_chat("\"tools\":[" + tool + "]", without).message() ==
          "\"m\" does not support tools");
    CHECK_FALSE(parsed_chat("\"tools\":[]", without).error);
}
