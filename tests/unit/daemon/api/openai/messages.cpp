// Conversations as clients send them: what they hold is taken, whatever shape it has.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/api/openai/request.h"
#include "model/json_document.h"
#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

constexpr RequestLimits kLimits{8, 1000};

/// A request whose last message is the one given, or why there is none.
std::optional<ApiError> parse(const std::string& message, OpenAiRequest& request) {
    return parse_chat_request(R"({"messages":[{"role":"user","content":"x"},)" + message + "]}", {},
                              kLimits, request);
}

/// The arguments of a call in the history, given the member that holds them.
std::string arguments(const std::string& member) {
    OpenAiRequest q;
    const auto error = parse(R"({"role":"assistant","content":null,"tool_calls":[{"id":"1",)"
                             R"("type":"function","function":{"name":"f")" +
                                 member + "}}]}",
                             q);
    return error ? error->message : q.generation.messages[1].tool_calls.at(0).arguments;
}

}  // namespace

TEST_CASE("openai_messages: no arguments of an earlier call make a request impossible") {
    for (auto nothing :
         {"", R"(,"arguments":"")", R"(,"arguments":null)", R"(,"arguments":" ")",
          R"(,"arguments":"{\"city\": \"Par")", R"(,"arguments":"not json")",
          R"(,"arguments":"[1]")", R"(,"arguments":"\"text\"")", R"(,"arguments":[1])",
          R"(,"arguments":7)", R"(,"arguments":"{\"a\":1}}")", R"(,"arguments":"{} {}")"}) {
        CAPTURE(nothing);
        CHECK(arguments(nothing) == "{}");
    }
    CHECK(arguments(R"(,"arguments":{"x": [1e400, 18446744073709551616]})") ==
          R"({"x": [1e400, 18446744073709551616]})");
    CHECK(arguments(R"(,"arguments":"{\"x\":1,\"y\":\"\\ud83d\"}")") == R"({"x":1,"y":"\ud83d"})");
    const std::string deep(200, '[');
    const std::string nested = "{\"x\":" + deep + std::string(200, ']') + "}";
    CHECK(arguments(",\"arguments\":" + nested) == nested);
    JsonDocument document;
    CHECK_FALSE(document.parse(nested));
}

TEST_CASE("openai_messages: shapes that clients send") {
    struct Case {
        const char *message, *role, *content;
    };
    for (auto& c : std::vector<Case>{
             {R"({"role":"assistant"})", "assistant", ""},
             {R"({"role":"assistant","content":null})", "assistant", ""},
             {R"({"role":"assistant","content":[]})", "assistant", ""},
             {R"({"role":"assistant","content":"a","tool_calls":null})", "assistant", "a"},
             {R"({"role":"assistant","content":"a","tool_calls":[],"function_call":null})",
              "assistant", "a"},
             {R"({"role":"assistant","content":"a","refusal":null,"reasoning_content":"r",)"
              R"("reasoning":"r","audio":null,"annotations":[],"name":"n"})",
              "assistant", "a"},
             {R"({"role":"assistant","content":[{"type":"refusal","refusal":"no"}]})", "assistant",
              "no"},
             {R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm"},)"
              R"({"type":"output_text","text":"a"}]})",
              "assistant", "a"},
             {R"({"role":"user","content":[{"type":"input_text","text":"a"},"b",{"text":"c"},)"
              R"({"type":"text","text":""},{"type":"text","text":null},)"
              R"({"type":"text","text":"d","cache_control":{"type":"ephemeral"}}]})",
              "user", "abcd"},
             {R"({"role":"user","content":null})", "user", ""},
             {R"({"role":"developer","content":"d"})", "developer", "d"},
             {R"({"role":"tool","tool_call_id":"1"})", "tool", ""},
             {R"({"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"t"}]})",
              "tool", "t"},
             {R"({"role":"function","name":"f","content":"t"})", "tool", "t"},
             {R"({"role":"user","content":"half \ud83d"})", "user", "half \uFFFD"}}) {
        CAPTURE(c.message);
        OpenAiRequest q;
        const auto error = parse(c.message, q);
        REQUIRE_FALSE(error);
        CHECK(q.generation.messages[1].role == c.role);
        CHECK(q.generation.messages[1].content == c.content);
        CHECK(q.generation.messages[1].tool_calls.empty());
    }
    OpenAiRequest q;
    REQUIRE_FALSE(parse(R"({"role":"assistant","content":"","function_call":)"
                        R"({"name":"f","arguments":"{\"a\":1}"}})",
                        q));
    CHECK(q.generation.messages[1].tool_calls.at(0).name == "f");
    CHECK(q.generation.messages[1].tool_calls.at(0).arguments == "{\"a\":1}");
}

TEST_CASE("openai_messages: who speaks, and which call a tool answers") {
    OpenAiRequest q;
    REQUIRE_FALSE(parse(R"({"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"f"}},)"
                        R"({"id":null,"function":{"name":"g"}},{"id":7,"function":{"name":"h"}}]},)"
                        R"({"role":"tool","tool_call_id":"c1","name":"f","content":"t"},)"
                        R"({"role":"function","name":"g","content":"t"},)"
                        R"({"role":"user","name":"Ada","tool_call_id":null,"content":"a"},)"
                        R"({"role":"user","name":["Ada"],"tool_call_id":7,"content":"a"})",
                        q));
    const std::vector<ChatMessage>& messages = q.generation.messages;
    REQUIRE(messages.size() == 6);
    REQUIRE(messages[1].tool_calls.size() == 3);
    CHECK(messages[1].tool_calls[0].id == "c1");
    CHECK(messages[1].tool_calls[1].id == "");
    CHECK(messages[1].tool_calls[2].id == "");
    CHECK(messages[2].tool_call_id == "c1");
    CHECK(messages[2].name == "f");
    CHECK(messages[3].name == "g");
    CHECK(messages[4].name == "Ada");
    CHECK(messages[4].tool_call_id == "");
    CHECK(messages[5].name == "");
}

TEST_CASE("openai_messages: what an assistant thought, under any of its names") {
    for (
        auto message :
        {R"({"role":"assistant","content":"a","reasoning":"hm"})",
         R"({"role":"assistant","reasoning_content":"hm","content":"a"})",
         R"({"role":"assistant","content":"a","reasoning_content":"hm","reasoning":"hm"})",
         R"({"role":"assistant","content":"a","reasoning":null,"reasoning_content":"hm"})",
         R"({"role":"assistant","content":"a","reasoning":{"effort":"x"},"reasoning_content":"hm"})",
         R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},)"
         R"({"type":"redacted_thinking","data":"x"},{"type":"text","text":"a"}]})"}) {
        CAPTURE(message);
        OpenAiRequest q;
        REQUIRE_FALSE(parse(message, q));
        CHECK(q.generation.messages[1].content == "a");
        CHECK(q.generation.messages[1].reasoning == "hm");
    }
    OpenAiRequest q;
    REQUIRE_FALSE(parse(R"({"role":"user","content":"a","reasoning":"hm"})", q));
    CHECK(q.generation.messages[1].reasoning.empty());
}

TEST_CASE("openai_messages: what is no text or no message is refused by its path") {
    struct Case {
        std::string message, param;
    };
    for (auto& c : std::vector<Case>{
             {R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]})",
              "messages[1].content[0].type"},
             {R"({"role":"user","content":["a",{"type":"input_audio"}]})",
              "messages[1].content[1].type"},
             {R"({"role":"user","content":[{}]})", "messages[1].content[0]"},
             {R"({"role":"user","content":[{"type":"text"}]})", "messages[1].content[0].text"},
             {R"({"role":"user","content":{"type":"text"}})", "messages[1].content"},
             {R"({"role":"user","content":5})", "messages[1].content"},
             {R"({"role":"robot","content":"x"})", "messages[1].role"},
             {R"({"role":null,"content":"x"})", "messages[1].role"},
             {R"({"role":"user","content":"x","role":"system"})", "messages[1].role"},
             {R"({"role":"assistant","tool_calls":[{"id":"1"}]})",
              "messages[1].tool_calls[0].function"},
             {R"({"role":"assistant","tool_calls":[{"function":{"arguments":"{}"}}]})",
              "messages[1].tool_calls[0].function"},
             {R"({"role":")" + std::string(9000, 'x') + R"(","content":"x"})", "messages[1].role"},
             {"7", "messages[1]"}}) {
        CAPTURE(c.message.substr(0, 200));
        OpenAiRequest q;
        const auto error = parse(c.message, q);
        REQUIRE(error);
        CHECK(error->param == c.param);
        CHECK(error->message.size() < 300);
    }
}
