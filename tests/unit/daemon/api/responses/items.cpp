// Items of a conversation as the turns that a template knows.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/responses/parsed.h"

using namespace qwend;

namespace {

/// The conversation, or the parameter that is wrong.
std::string read(const std::string& input) {
    ResponseRequest request;
    if (const auto error = parse_response("{\"input\":" + input + "}", request))
        return error->param + (error->code.empty() ? "" : "*");
    return conversation_of(request);
}

}  // namespace

TEST_CASE("responses_items: a string is what the user says") {
    CHECK(read("\"hi\"") == "user:hi\n");
}

TEST_CASE("responses_items: messages with and without a type, of every role and kind of part") {
    CHECK(read(R"([{"role":"developer","content":"a"},{"type":"message","role":"system",
                   "content":[{"type":"input_text","text":"b"},{"type":"input_text","text":"c"}]},
                   {"role":"user","content":"d"},{"id":"msg_1","type":"message","status":"completed",
                   "role":"assistant","content":[{"type":"output_text","text":"e","annotations":[],
                   "logprobs":[]},{"type":"refusal","refusal":"f"}]}])") ==
          "developer:a\nsystem:bc\nuser:d\nassistant:ef\n");
    CHECK(read(R"([{"role":"user","content":"x"},{"role":"assistant"},
                   {"role":"assistant","content":null}])") == "user:x\nassistant:\n");
}

TEST_CASE("responses_items: thoughts, text and calls that follow each other are one turn") {
    CHECK(read(R"([{"role":"user","content":"q"},
                   {"type":"reasoning","id":"rs","summary":[],"content":null,
                    "encrypted_content":"x"},
                   {"role":"assistant","content":"text"},
                   {"type":"reasoning"},
                   {"type":"function_call","call_id":"1","name":"f","arguments":"{\"a\":1}"},
                   {"type":"function_call","call_id":"2","name":"g","arguments":""},
                   {"type":"function_call_output","call_id":"1","output":"one"},
                   {"type":"function_call_output","call_id":"2",
                    "output":[{"type":"input_text","text":"two"}]},
                   {"type":"function_call","call_id":"3","name":"h","arguments":"{}"},
                   {"role":"assistant","content":"after"},
                   {"role":"assistant","content":"another"}])") ==
          "user:q\nassistant:text(f {\"a\":1})(g {})\ntool:one\ntool:two\n"
          "assistant:after(h {})\nassistant:another\n");
}

TEST_CASE("responses_items: a call and its output have the id that joins them") {
    ResponseRequest request;
    REQUIRE_FALSE(parse_response(
        R"({"input":[{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f"},
                     {"type":"custom_tool_call","call_id":"call_2","name":"g","input":"x"},
                     {"type":"function_call","call_id":3,"name":"h"},
                     {"type":"function_call_output","call_id":"call_1","output":"one"},
                     {"type":"custom_tool_call_output","call_id":"call_2","output":"two"},
                     {"type":"function_call_output","output":"three"}]})",
        request));
    const auto& messages = request.base.generation.messages;
    REQUIRE(messages.size() == 4);
    std::vector<std::string> ids;
    for (const ChatToolCall& call : messages[0].tool_calls) ids.push_back(call.id);
    for (const ChatMessage& message : messages) ids.push_back(message.tool_call_id);
    CHECK(ids == std::vector<std::string>{"call_1", "call_2", "", "", "call_1", "call_2", ""});
}

TEST_CASE("responses_items: what was thought belongs to what followed") {
    CHECK(read(R"([{"role":"user","content":"q"},
                   {"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],
                    "content":[{"type":"reasoning_text","text":"a"},{"text":"b"}]},
                   {"role":"assistant","content":"x"},{"role":"user","content":"r"},
                   {"type":"reasoning","summary":[{"type":"summary_text","text":"s"}]},
                   {"type":"function_call","name":"f","arguments":"{}"},
                   {"type":"reasoning","summary":[{"text":"lost"}]},
                   {"role":"user","content":"t"},
                   {"role":"assistant","content":"y"}])") ==
          "user:q\nassistant:<ab>x\nuser:r\nassistant:<s>(f {})\nuser:t\nassistant:y\n");
}

TEST_CASE("responses_items: a call of a namespace's tool, and of one that takes text") {
    CHECK(read(R"([{"type":"function_call","namespace":"mcp__x","name":"f","arguments":"{}"},
                   {"type":"function_call_output","output":{"a":[1]}},
                   {"type":"custom_tool_call","call_id":"1","name":"patch","input":"a \"b\""},
                   {"type":"custom_tool_call_output","call_id":"1","output":"ok"}])") ==
          "assistant:(mcp__x__f {})\ntool:{\"a\":[1]}\n"
          "assistant:(patch {\"input\":\"a \\\"b\\\"\"})\ntool:ok\n");
}

TEST_CASE("responses_items: what is not known is passed over, and counted") {
    ResponseRequest request;
    CHECK_FALSE(parse_response(R"({"input":[{"type":"web_search_call","id":"w"},{"role":"user",
        "content":"x"},{"type":"compaction","encrypted_content":"c"},{"type":"additional_tools"}]})",
                               request));
    CHECK(conversation_of(request) == "user:x\n");
    CHECK(request.base.n_unknown_fields == 3);
    CHECK(request.base.unknown_fields[0] == "input.web_search_call");
}

TEST_CASE("responses_items: what cannot be understood is named by its place") {
    const std::pair<const char*, const char*> wrong[] = {
        {R"(["x"])", "input[0]"},
        {R"([{}])", "input[0]"},
        {R"([{"type":5}])", "input[0]"},
        {R"([{"role":"judge","content":"x"}])", "input[0].role"},
        {R"([{"role":"tool","content":"x"}])", "input[0].role"},
        {R"([{"type":"message","content":"x"}])", "input[0].role"},
        {R"([{"role":"user"}])", "input[0].content"},
        {R"([{"role":"user","content":"x"},{"role":"user","content":[{"type":"input_image",
            "image_url":"u"}]}])",
         "input[1].content[0].type"},
        {R"([{"role":"user","content":[{"type":"input_file"}]}])", "input[0].content[0].type"},
        {R"([{"type":"function_call","arguments":"{}"}])", "input[0]"},
        {R"([{"type":"item_reference","id":"msg"}])", "input[0].type*"},
    };
    for (const auto& [input, param] : wrong) CHECK(read(input) == param);
}

TEST_CASE("responses_items: there are only so many turns") {
    std::string input = "[";
    for (int i = 0; i < 4097; i++) input += R"({"role":"user","content":"x"},)";
    input.back() = ']';
    CHECK(read(input) == "input");
}
