#pragma once

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/answer_body.h"
#include "daemon/api/openai/renderers.h"
#include "tests/unit/daemon/api/openai/said.h"
#include "tests/unit/daemon/api/token_events.h"

namespace qwend {

// Answers of OpenAI's dialect to requests that were never sent.

inline OpenAiRequest chat_request() {
    OpenAiRequest request;
    request.style.chat = true;
    return request;
}

inline OpenAiRequest text_request() {
    OpenAiRequest request;
    request.generation.prompts = {Prompt("text")};
    return request;
}

inline AnswerBody make_body(const ModelText& model, OpenAiRequest request,
                            std::vector<std::vector<int32_t>> prompts) {
    request.generation.whole_calls = !request.style.stream;
    return AnswerBody(model, std::move(request.generation), std::move(prompts),
                      openai_renderer(std::move(request.style)));
}

/// Feeds the events of all choices in random order, and takes the bytes at random times.
inline std::string bytes_of(const OpenAiRequest& request, const Events& events,
                            std::vector<std::vector<int32_t>> prompts,
                            const ModelText& model = demo()) {
    static std::mt19937 random(std::random_device{}());
    AnswerBody body = make_body(model, request, std::move(prompts));
    REQUIRE(size_t(body.choices().size()) == events.size());
    std::vector<size_t> next(events.size());
    std::string out;
    while (!body.choices().done()) {
        const size_t i = random() % events.size();
        if (body.choices().at(int(i)).done()) continue;
        REQUIRE(next[i] < events[i].size());
        body.on_event(int(i), events[i][next[i]++]);
        if (random() % 3 == 0) body.take(out);
    }
    do body.take(out);
    while (body.behind());
    return out;
}

/// For prompts of three ids.
inline std::string bytes_of(const OpenAiRequest& request, const Events& events) {
    const size_t n_prompts = events.size() / size_t(request.generation.n);
    return bytes_of(request, events, std::vector<std::vector<int32_t>>(n_prompts, {5, 6, 7}));
}

inline Said document_of(const OpenAiRequest& request, const Events& events) {
    return read_document(bytes_of(request, events));
}

inline Said stream_of(OpenAiRequest request, const Events& events) {
    request.style.stream = true;
    return read_stream(bytes_of(request, events), int(events.size()));
}

}  // namespace qwend
