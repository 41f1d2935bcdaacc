// Tokens and their log-probabilities, as OpenAI and vLLM spell them.

#include "daemon/api/openai/logprobs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

TEST_CASE("openai_logprobs: text_offset is a token's place, also while its text is held back") {
    OpenAiRequest request = text_request();
    request.generation.sampling.n_logprobs = 0;
    request.generation.stops = {"你好 world and more"};
    const std::string text = "x 你好 world and 🙂 so";
    const auto ids = ids_of(text);
    const Said said = document_of(request, {events_of(ids, FinishReason::length)});
    std::string expected;
    for (size_t i = 0; i < ids.size(); i++) {
        // Code points of the characters that the tokens before have completed.
        const std::string before = demo().tokenizer.decode(std::span(ids).first(i), false);
        int n = 0;
        for (size_t at = 0; at < before.size(); at++)
            n += (uint8_t(before[at]) & 0xC0) != 0x80 && before.compare(at, 3, "\uFFFD") != 0;
        expected += (i ? "," : "") + std::to_string(n);
    }
    CHECK(said.choices[0].text == text);
    CHECK(said.choices[0].logprobs[3] == expected);
}

TEST_CASE("openai_logprobs: top_logprobs has the sampled token, and every key once") {
    OpenAiRequest request = text_request();
    request.generation.sampling.n_logprobs = 0;
    const int32_t a = ids_of("a")[0];
    auto events = events_of({a}, FinishReason::length);
    CHECK(document_of(request, {events}).choices[0].logprobs[2] == "{\"a\":-0.5}");
    request.generation.sampling.n_logprobs = 3;
    const auto emoji = ids_of("🙂");
    REQUIRE(emoji.size() > 2);
    events[0].sampled.top = {{emoji[0], -0.25f}, {emoji[1], -0.5f}, {emoji[2], -INFINITY}};
    const auto logprobs = document_of(request, {events}).choices[0].logprobs;
    CHECK(logprobs[2].starts_with("{\"bytes:\\\\x"));
    dom::parser parser;
    const dom::object tops = parser.parse(logprobs[2]).get_object().value();
    CHECK(tops.size() == 4);
    CHECK(tops["a"].get_double().value() == -0.5);
    CHECK(logprobs[2].find("-9999") != std::string::npos);
    std::vector<std::string_view> keys;
    for (auto [key, value] : tops) {
        CHECK(std::find(keys.begin(), keys.end(), key) == keys.end());
        keys.push_back(key);
    }
}
