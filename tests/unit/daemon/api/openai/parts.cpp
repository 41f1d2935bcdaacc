// The members that answers of both kinds are made of.

#include "daemon/api/openai/parts.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

namespace {

std::string end_of(const Generation& generation, std::vector<int32_t> ids, FinishReason finish) {
    Choices choices(demo(), generation, {{1}});
    for (const TokenEvent& event : events_of(ids, finish)) choices.candidate(0).on_event(event);
    std::string end;
    append_end(end, choices, 0);
    return end;
}

}  // namespace

TEST_CASE("openai_parts: an answer's head says which of four it is") {
    OpenAiStyle style;
    style.model = "a \"model\"";
    style.request_id = "id-1";
    for (const bool chat : {false, true})
        for (const bool stream : {false, true}) {
            style.chat = chat, style.stream = stream;
            dom::parser parser;
            dom::element head;
            REQUIRE(parser.parse(answer_head(style) + "}").get(head) == simdjson::SUCCESS);
            CHECK(head["id"].get_string().value() == (chat ? "chatcmpl-id-1" : "cmpl-id-1"));
            CHECK(head["object"].get_string().value() == (!chat    ? "text_completion"
                                                          : stream ? "chat.completion.chunk"
                                                                   : "chat.completion"));
            CHECK(head["model"].get_string().value() == "a \"model\"");
            CHECK(head["created"].get_int64().value() > 1'700'000'000);
            CHECK(head["system_fingerprint"].get_string().value().starts_with("qwend-"));
        }
}

TEST_CASE("openai_parts: why a choice ended") {
    Generation generation;
    generation.stops = {"b\""};
    generation.stop_token_ids = {6060};
    CHECK(end_of(generation, ids_of("a b\" c"), FinishReason::length) ==
          R"(,"finish_reason":"stop","stop_reason":"b\"")");
    CHECK(end_of(generation, {5, 6060}, FinishReason::stop) ==
          R"(,"finish_reason":"stop","stop_reason":6060)");
    CHECK(end_of(generation, {5, 6058}, FinishReason::stop) ==
          R"(,"finish_reason":"stop","stop_reason":null)");
    CHECK(end_of(generation, {6060}, FinishReason::length) ==
          R"(,"finish_reason":"length","stop_reason":null)");
}

TEST_CASE("openai_parts: a call is a reason to end where the model chose to call") {
    Generation generation;
    generation.chat_options.tools = {R"({"type":"function","function":{"name":"f"}})"};
    const auto ids = ids_of("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>");
    const std::string called = R"(,"finish_reason":"tool_calls","stop_reason":null)";
    CHECK(end_of(generation, ids, FinishReason::stop) == called);
    generation.called_tool = "f";
    CHECK(end_of(generation, ids, FinishReason::stop) ==
          R"(,"finish_reason":"stop","stop_reason":null)");
    CHECK(end_of(generation, ids, FinishReason::length) ==
          R"(,"finish_reason":"length","stop_reason":null)");
}

TEST_CASE("openai_parts: ids, of which there may be none") {
    std::string ids;
    append_ids(ids, {});
    CHECK(ids.empty());
    append_ids(ids, std::vector<int32_t>{0, 151'935});
    append_ids(ids, std::vector<int32_t>{7});
    CHECK(ids == "0,151935,7");
    Generation generation;
    generation.prompts = {"a", "b"};
    const std::vector<std::vector<int32_t>> prompts = {{1, 2}, {3}};
    CHECK(prompt_ids_member(Choices(demo(), generation, prompts), 1) == nullptr);
    generation.return_token_ids = true;
    const Choices choices(demo(), generation, prompts);
    CHECK(*prompt_ids_member(choices, 0) == ",\"prompt_token_ids\":[1,2]");
    CHECK(*prompt_ids_member(choices, 1) == ",\"prompt_token_ids\":[3]");
}

TEST_CASE("openai_parts: usage adds up") {
    CHECK(render_usage({.prompt_tokens = 3, .completion_tokens = 4, .cached_tokens = 2}) ==
          R"({"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,)"
          R"("prompt_tokens_details":{"cached_tokens":2}})");
    CHECK(render_usage({.completion_tokens = 4, .reasoning_tokens = 3}) ==
          R"({"prompt_tokens":0,"completion_tokens":4,"total_tokens":4,)"
          R"("prompt_tokens_details":{"cached_tokens":0},)"
          R"("completion_tokens_details":{"reasoning_tokens":3}})");
}

TEST_CASE("openai_parts: a stream has pings that say nothing, a document none") {
    OpenAiStyle style;
    CHECK_FALSE(openai_form(style).is_stream);
    CHECK(std::string(openai_form(style).content_type) == "application/json");
    CHECK(openai_form(style).ping.empty());
    style.stream = true;
    CHECK(openai_form(style).is_stream);
    CHECK(std::string(openai_form(style).content_type).starts_with("text/event-stream"));
    CHECK(openai_form(style).ping.starts_with(":"));  // a comment
    CHECK(openai_form(style).ping.ends_with("\n\n"));
}
