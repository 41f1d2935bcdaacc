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

namespace {

/// A candidate's tokens, each as likely as the one number says.
std::vector<TokenEvent> likely(std::vector<float> logprobs, const std::string& text = "a") {
    auto events =
        events_of(std::vector<int32_t>(logprobs.size(), ids_of(text)[0]), FinishReason::length);
    for (size_t i = 0; i < events.size(); i++) events[i].sampled.logprob = logprobs[i];
    return events;
}

void run(Choices& choices, int candidate, const std::vector<TokenEvent>& events) {
    for (const TokenEvent& event : events) choices.on_event(candidate, event);
}

}  // namespace

TEST_CASE("choices: with best_of they are each prompt's likeliest candidates by token, in order") {
    Generation generation = of_two_prompts(2);
    generation.best_of = 3;
    Choices choices(demo(), generation, {{1, 2}, {3}});
    CHECK(choices.n_candidates() == 6);
    CHECK(choices.size() == 4);
    CHECK(choices.prompt_of_candidate(2).size() == 2);
    CHECK(choices.prompt_of_candidate(3).size() == 1);
    CHECK(choices.prompt_of(1).size() == 2);
    CHECK(choices.prompt_of(2).size() == 1);
    // The sum would put the short one first, and the mean has it last.
    run(choices, 0, likely({-1.5f}, "a"));
    run(choices, 1, likely({-0.5f, -1.5f}, "b"));
    run(choices, 2, likely({-0.5f, -0.5f, -0.5f, -0.5f}, "c"));
    run(choices, 3, likely({-0.25f}, "d"));
    run(choices, 4, likely({-0.25f}, "e"));
    CHECK(choices.n_unchosen() >= 9);
    CHECK_FALSE(choices.chosen());
    run(choices, 5, likely({-0.25f, -0.25f}, "f"));
    REQUIRE(choices.chosen());
    CHECK(choices.done());
    CHECK(choices.n_unchosen() == 0);
    std::vector<std::string> texts;
    for (int i = 0; i < 4; i++) texts.push_back(choices.at(i).take().text);
    CHECK(texts == std::vector<std::string>{"cccc", "bb", "d", "e"});
    CHECK(choices.usage().completion_tokens == 1 + 2 + 4 + 1 + 1 + 2);
    CHECK(choices.usage().cached_tokens == 2 * 3);
}

TEST_CASE("choices: a candidate without a token is the last, and best_of as n chooses nothing") {
    Generation generation;
    generation.best_of = 2;
    Choices choices(demo(), generation, {{1}});
    TokenEvent end;
    end.finish = FinishReason::abort;
    choices.on_event(0, end);
    run(choices, 1, likely({-100}));
    CHECK(choices.at(0).take().text == "a");

    generation.n = 2;
    const Choices all(demo(), generation, {{1}});
    CHECK(all.chosen());
    CHECK_FALSE(all.chooses());
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

TEST_CASE("choices: a call without tags is one of a tool that the request has") {
    for (const std::string name : {"f", "g"}) {
        Generation generation;
        generation.chat_options.tools = {R"({"function":{"name":"f"}})"};
        Choices choices(demo(), generation, {{1}});
        choices.forget_texts();
        const std::string text =
            "```json\n{\"name\": \"" + name + "\", \"arguments\": {\"x\": 1}}\n```";
        run(choices, 0, events_of(ids_of(text), FinishReason::stop));
        const ChoicePart part = choices.at(0).take();
        CHECK(part.calls.empty() == (name == "g"));
        CHECK(part.text.empty() == (name == "f"));
        CHECK(choices.at(0).finish_name() == (name == "f" ? "tool_calls" : "stop"));
    }
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

TEST_CASE("choices: scores are the prompt's, and taken once") {
    Generation generation;
    generation.n = 2;
    Choices choices(demo(), generation, {{5, 6, 7}, {8, 9}});
    for (const TokenEvent& event : scores_of({5, 6, 7}, 1, 1)) choices.on_event(0, event);
    for (const TokenEvent& event : scores_of({8, 9}, 1)) choices.on_event(2, event);
    CHECK(choices.times().first_token < 0);
    const auto scores = choices.take_scores(0);
    REQUIRE(scores.size() == 2);
    CHECK(scores[0].given.token == 6);
    CHECK(scores[1].given.token == 7);
    CHECK(choices.take_scores(0).empty());
    CHECK(choices.take_scores(1).size() == 1);
    CHECK(choices.usage().completion_tokens == 0);
}
