// Prompts and their choices: which belongs to which, and what they add up to.

#include "daemon/api/choices.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

Generation of_two_prompts(int n) {
    Generation generation;
    generation.prompts = {std::string("first"), std::string("second")};
    generation.n = n;
    return generation;
}

}  // namespace

TEST_CASE("choices: n of each prompt, prompt by prompt") {
    const Choices choices(demo(), of_two_prompts(3), {{1, 2}, {3}});
    CHECK(choices.size() == 6);
    std::vector<size_t> prompts;
    for (int i = 0; i < choices.size(); i++) {
        prompts.push_back(choices.prompt_index(i));
        CHECK(choices.prompt_of(i).tokens().size() == (i < 3 ? 2 : 1));
    }
    CHECK(prompts == std::vector<size_t>{0, 0, 0, 1, 1, 1});
    CHECK(choices.prompt_of(5).tokens()[0] == 3);
}

TEST_CASE("choices: a prompt counts once, and what of it was cached as its first choice found it") {
    Choices choices(demo(), of_two_prompts(2), {{1, 2}, {3}});
    CHECK(choices.usage().prompt_tokens == 3);
    CHECK(choices.usage().completion_tokens == 0);
    const int n_cached[] = {2, 1, 1, 0};
    for (int i = 0; i < 4; i++)
        for (TokenEvent event :
             events_of(std::vector<int32_t>(size_t(i + 1), 5), FinishReason::length)) {
            event.n_cached_tokens = n_cached[i];
            choices.at(i).on_event(event);
        }
    CHECK(choices.usage().prompt_tokens == 3);
    CHECK(choices.usage().completion_tokens == 1 + 2 + 3 + 4);
    CHECK(choices.usage().cached_tokens == 2 + 1);
}

TEST_CASE("choices: done when every one is") {
    Choices choices(demo(), of_two_prompts(1), {{1}, {2}});
    CHECK_FALSE(choices.done());
    choices.at(1).on_event(events_of({5}, FinishReason::length)[0]);
    CHECK_FALSE(choices.done());
    choices.at(0).abandon();
    CHECK(choices.done());
}

TEST_CASE("choices: texts are forgotten, what choices go by is not") {
    Generation generation = of_two_prompts(1);
    generation.messages.resize(1);
    generation.chat_options.tools = {"{}"};
    generation.stops = {"b"};
    Choices choices(demo(), generation, {{1}, {2}});
    choices.forget_texts();
    CHECK(choices.generation().prompts.empty());
    CHECK(choices.generation().messages.empty());
    CHECK(choices.generation().chat_options.tools.empty());
    CHECK(choices.prompts().size() == 2);
    for (const TokenEvent& event : events_of(ids_of(tool_call("{}") + "ab"), FinishReason::length))
        choices.at(0).on_event(event);
    const ChoicePart part = choices.at(0).take();
    CHECK(part.calls.size() > 0);  // the choice knows that it has tools
    REQUIRE(choices.at(0).stop_string());
    CHECK(*choices.at(0).stop_string() == "b");
}

TEST_CASE("choices: the model's format, and its tools' schemas, which outlive their texts") {
    ModelText model = std::move(*load_demo_text());
    model.output_format = {ReasoningFormat::think, ToolFormat::qwen3_coder};
    Generation generation;
    generation.begins_in_reasoning = true;
    generation.chat_options.tools = {
        R"({"function":{"name":"f","parameters":{"properties":{"s":{"type":"string"}}}}})"};
    Choices choices(model, generation, {{1}});
    choices.forget_texts();
    const auto ids = ids_of("hm</think>a<function=f><parameter=s>1</parameter></function>");
    for (const TokenEvent& event : events_of(ids, FinishReason::length))
        choices.at(0).on_event(event);
    const ChoicePart part = choices.at(0).take();
    CHECK(part.reasoning == "hm");
    CHECK(part.text == "a");
    REQUIRE(part.calls.size() == 1);
    CHECK(choices.usage().reasoning_tokens == int(ids_of("hm</think>").size()));
}

TEST_CASE("choices: times are those of the first to run, of the first token and of the last") {
    Choices choices(demo(), of_two_prompts(1), {{1}, {2}});
    CHECK(choices.times().created > 0);
    CHECK(choices.times().queued < 0);
    CHECK(choices.times().first_token < 0);
    auto events = events_of({5, 6}, FinishReason::length);
    for (TokenEvent& event : events) event.queue_seconds = 0.25;
    choices.on_event(1, events[0]);
    const AnswerTimes first = choices.times();
    CHECK(first.queued == 0.25);
    CHECK(first.first_token >= first.created);
    CHECK(first.last_token == first.first_token);
    events[1].queue_seconds = 0.5;
    CHECK_FALSE(choices.on_event(1, events[1]));
    CHECK(choices.times().queued == 0.25);
    CHECK(choices.times().first_token == first.first_token);
    CHECK(choices.times().last_token >= first.last_token);
    TokenEvent end;
    end.finish = FinishReason::abort;
    const AnswerTimes before = choices.times();
    choices.on_event(0, end);
    CHECK(choices.times().last_token == before.last_token);
    CHECK(choices.done());
}
