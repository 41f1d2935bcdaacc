// What answers say of the tokens of their prompts.

#include "daemon/api/openai/prompt_logprobs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <ctime>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

namespace {

OpenAiRequest echo_request(const std::string& prompt, int n_logprobs) {
    OpenAiRequest request = text_request();
    request.generation.prompts = {Prompt(prompt)};
    request.generation.echo = true;
    request.generation.sampling.n_logprobs = request.generation.n_prompt_logprobs = n_logprobs;
    return request;
}

std::vector<TokenEvent> after(std::vector<TokenEvent> scores, std::vector<TokenEvent> tokens) {
    scores.insert(scores.end(), tokens.begin(), tokens.end());
    return scores;
}

OpenAiRequest streamed(OpenAiRequest request) {
    request.style.stream = true;
    return request;
}

}  // namespace

TEST_CASE("openai_prompt_logprobs: an echo's logprobs begin with the prompt's, null first") {
    const auto prompt = ids_of("Hi 🙂"), answer = ids_of("x");
    REQUIRE(prompt.size() > 3);
    const OpenAiRequest request = echo_request("Hi 🙂", 1);
    const Events events = {after(scores_of(prompt, 2), events_of(answer, FinishReason::length, 1))};
    const Said said = read_document(bytes_of(request, events, {prompt}));
    const Said stream = read_stream(bytes_of(streamed(request), events, {prompt}), 1);
    CHECK(said.choices[0].text == "Hi 🙂x");
    CHECK(stream.choices[0].text == said.choices[0].text);
    CHECK(stream.choices[0].logprobs == said.choices[0].logprobs);
    CHECK(said.choices[0].logprobs[0].starts_with("\"Hi\",\" \""));
    CHECK(said.choices[0].logprobs[1].starts_with("null,-2.5,-3.5,"));
    CHECK(said.choices[0].logprobs[1].ends_with(",-0.5"));
    CHECK(said.choices[0].logprobs[2].starts_with("null,{\""));
    // One likeliest, though two were scored, and the token itself.
    dom::parser parser;
    const dom::array tops =
        parser.parse("[" + said.choices[0].logprobs[2] + "]").get_array().value();
    CHECK(tops.at(1).get_object().value().size() == 2);
    CHECK(tops.size() == prompt.size() + answer.size());
    // The emoji is one character, whatever it takes to say it.
    std::string offsets = "0,2";
    for (size_t i = 2; i < prompt.size(); i++) offsets += ",3";
    CHECK(said.choices[0].logprobs[3] == offsets + ",4");
}

TEST_CASE("openai_prompt_logprobs: a stream's first event is the prompt") {
    const auto prompt = ids_of("a b c");
    const OpenAiRequest request = streamed(echo_request("a b c", 0));
    const Events events = {
        after(scores_of(prompt, 0, 1), events_of(ids_of("d"), FinishReason::length))};
    const auto data = data_of(bytes_of(request, events, {prompt}));
    REQUIRE(data.size() == 3);  // the prompt, the token with the end, [DONE]
    CHECK(data[0].find(R"("text":"a b c","logprobs":{"top_logprobs":[null,)") != std::string::npos);
    CHECK(data[1].find(R"("text":"d","logprobs":{"top_logprobs":[{"d":-0.5}],"tokens":["d"],)"
                       R"("token_logprobs":[-0.5],"text_offset":[5]})") != std::string::npos);
}

TEST_CASE("openai_prompt_logprobs: without tokens to generate there is the prompt alone") {
    const auto prompt = ids_of("a b c");
    OpenAiRequest request = echo_request("a b c", 0);
    request.generation.max_tokens = 0;
    const Events events = {
        after(scores_of(prompt, 0), events_of(ids_of("d"), FinishReason::length))};
    const Said said = read_document(bytes_of(request, events, {prompt}));
    CHECK(said.choices[0].text == "a b c");
    CHECK(said.choices[0].finish_reason == "length");
    CHECK(said.choices[0].logprobs[0] == "\"a\",\" b\",\" c\"");
    CHECK(said.usage.find("\"completion_tokens\":0") != std::string::npos);
    const Said stream = read_stream(bytes_of(streamed(request), events, {prompt}), 1);
    CHECK(stream.choices[0].text == "a b c");
    CHECK(stream.choices[0].finish_reason == "length");
    CHECK(stream.choices[0].logprobs == said.choices[0].logprobs);
}

TEST_CASE("openai_prompt_logprobs: the member has the token given, its rank, and the likeliest") {
    const std::vector<int32_t> prompt = {ids_of("a")[0], ids_of("b")[0], ids_of("🙂")[0]};
    auto scores = scores_of(prompt, 3);
    scores[0].scores[0].given.top[1] = {prompt[1], -2.5f};  // given, and the second likeliest
    scores[0].scores[0].rank = 2;
    scores[0].scores[1].given.logprob = -INFINITY;
    const auto events = after(scores, events_of(ids_of("x"), FinishReason::stop));
    OpenAiRequest request = text_request();
    request.style.prompt_logprobs = 2, request.generation.n_prompt_logprobs = 3;
    std::string member;
    SUBCASE("of a choice, in a completion") {
        const std::string bytes = bytes_of(request, {events}, {prompt});
        dom::parser parser;
        member = minified(parser.parse(bytes)["choices"].at(0)["prompt_logprobs"].value());
    }
    SUBCASE("of the answer, in a chat") {
        request.style.chat = true, request.generation.prompts = {};
        request.generation.n = 2;
        const Events both = {events, events_of(ids_of("y"), FinishReason::stop)};
        const std::string bytes = bytes_of(request, both, {prompt});
        dom::parser parser;
        member = minified(parser.parse(bytes)["prompt_logprobs"].value());
    }
    const int32_t first = scores[0].scores[0].given.top[0].token;
    const auto name = [](int32_t id) {
        std::string json;
        for (const char c : demo().tokenizer.decode(std::vector{id}, false))
            json += c == '"' ? "\\\"" : std::string(1, c);
        return json;
    };
    CHECK(member.starts_with(
        "[null,{\"" + std::to_string(prompt[1]) +
        R"(":{"logprob":-2.5,"rank":2,"decoded_token":"b"},")" + std::to_string(first) +
        R"(":{"logprob":-0.25,"rank":1,"decoded_token":")" + name(first) + "\"}},{\"" +
        std::to_string(prompt[2]) + R"(":{"logprob":-9999,"rank":4,"decoded_token":")"));
}

TEST_CASE("openai_prompt_logprobs: choices wait for their prompt, and share what it says") {
    const auto prompt = ids_of("a b c d e");
    OpenAiRequest request = echo_request("a b c d e", 0);
    request.generation.n = 3;
    Events events(3, events_of(ids_of("x y"), FinishReason::length));
    events[0] = after(scores_of(prompt, 0, 1), events[0]);
    for (int round = 0; round < 20; round++) {
        const Said said = read_document(bytes_of(request, events, {prompt}));
        const Said stream = read_stream(bytes_of(streamed(request), events, {prompt}), 3);
        for (int i = 0; i < 3; i++) {
            CHECK(said.choices[size_t(i)].logprobs == said.choices[0].logprobs);
            CHECK(stream.choices[size_t(i)].logprobs == said.choices[0].logprobs);
            CHECK(said.choices[size_t(i)].text == "a b c d ex y");
        }
    }
}

TEST_CASE("openai_prompt_logprobs: however much there is to say, it is made in small parts") {
    constexpr int kTokens = 20'000, kTops = 20;
    std::vector<int32_t> prompt;
    for (int i = 0; i < kTokens; i++) prompt.push_back(10 + i % 500);
    OpenAiRequest request = echo_request("text", kTops);
    request.style.prompt_logprobs = kTops;
    request.generation.max_tokens = 0;
    AnswerBody body = make_body(demo(), request, {prompt});
    // All at once, which no engine does.
    for (const TokenEvent& event : scores_of(prompt, kTops, 512)) body.on_event(0, event);
    for (const TokenEvent& event : events_of({5}, FinishReason::length)) body.on_event(0, event);
    std::string out;
    size_t n_turns = 0;
    double longest = 0, total = 0;
    do {
        std::string part;
        const std::clock_t begun = std::clock();  // of this process: others are no matter
        body.take(part);
        const double took = double(std::clock() - begun) / CLOCKS_PER_SEC;
        longest = std::max(longest, took), total += took;
        CHECK(part.size() <= AnswerRenderer::kEnoughBytes);
        out += part;
        n_turns++;
    } while (body.behind());
    MESSAGE(out.size() << " bytes in " << n_turns << " turns of " << total / double(n_turns) * 1e3
                       << " ms, the longest " << longest * 1e3 << " ms");
    CHECK(n_turns > out.size() / AnswerRenderer::kEnoughBytes);
    CHECK(read_document(out).choices[0].finish_reason == "length");
}

TEST_CASE("openai_prompt_logprobs: what later prompts have ready counts as waiting") {
    const auto prompt = ids_of("a b c d e");
    OpenAiRequest request = echo_request("a b c d e", 0);
    request.generation.prompts.push_back("a b c d e");
    AnswerBody body = make_body(demo(), request, {prompt, prompt});
    std::string out;
    for (const TokenEvent& event : scores_of(prompt, 0)) body.on_event(1, event);
    body.take(out);
    const size_t n = body.n_waiting();
    CHECK(n > 50);
    for (const TokenEvent& event : scores_of(prompt, 0)) body.on_event(0, event);
    body.take(out);
    CHECK(body.n_waiting() == n);
    for (int i = 0; i < 2; i++)
        for (const TokenEvent& event : events_of(ids_of("x"), FinishReason::stop))
            body.on_event(i, event);
    body.take(out);
    CHECK(body.n_waiting() == 0);
    CHECK(read_document(out).choices.size() == 2);
}
