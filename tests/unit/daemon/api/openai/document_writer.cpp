// A document that is written as its choices come, and in their order.

#include "daemon/api/openai/document_writer.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

TEST_CASE("openai_document_writer: a document is handed out while it grows") {
    OpenAiRequest request = chat_request();
    request.generation.n = 2;
    request.generation.sampling.n_logprobs = 2;
    const auto events = events_of(ids_of("a b c d e f g h"), FinishReason::length, 2);
    AnswerBody body = make_body(demo(), request, {{5}});
    std::string out;
    size_t largest = 0;
    for (const TokenEvent& event : events) {
        for (int i : {0, 1}) body.on_event(i, event);
        const size_t before = out.size();
        body.take(out);
        if (!body.choices().done()) largest = std::max(largest, out.size() - before);
        if (!body.choices().done()) CHECK(out.size() > before);
    }
    CHECK(largest < 600);
    CHECK(body.n_waiting() == 0);
    CHECK(read_document(out).choices[1].text == "a b c d e f g h");
}

TEST_CASE("openai_document_writer: what waits for its turn is counted until it is sent") {
    OpenAiRequest request = text_request();
    request.generation.n = 3;
    request.generation.sampling.n_logprobs = 1;
    AnswerBody body = make_body(demo(), request, {{5}});
    const auto events = events_of(ids_of("a b c d e f g h"), FinishReason::length, 1);
    std::string out;
    size_t before = 0;
    for (const TokenEvent& event : events) {
        body.on_event(2, event);
        body.take(out);
        CHECK(body.n_waiting() > before);
        before = body.n_waiting();
    }
    CHECK(out.ends_with("\"choices\":["));  // the first has not begun
    for (const TokenEvent& event : events) {
        body.on_event(0, event);
        body.take(out);
        CHECK(body.n_waiting() == before);  // what is kept of the one whose turn it is, is not
    }
    CHECK(out.ends_with("},"));
    for (const TokenEvent& event : events) body.on_event(1, event);
    body.take(out);
    CHECK(body.n_waiting() == 0);
    CHECK(read_document(out).choices[2].text == "a b c d e f g h");
}

TEST_CASE("openai_document_writer: usage is the last member, of all choices") {
    OpenAiRequest request = text_request();
    request.generation.n = 2;
    const auto events = events_of(ids_of("a b"), FinishReason::length);
    const std::string bytes = bytes_of(request, {events, events});
    CHECK(bytes.ends_with(R"(],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,)"
                          R"("prompt_tokens_details":{"cached_tokens":3}}})"));
}

TEST_CASE("openai_document_writer: with a choice abandoned it breaks off before that one's end") {
    OpenAiRequest request = chat_request();
    request.generation.n = 2;
    AnswerBody body = make_body(demo(), request, {{5}});
    const auto events = events_of(ids_of("a b c"), FinishReason::length);
    for (const TokenEvent& event : events) body.on_event(0, event);
    body.on_event(1, events[0]);
    std::string out;
    body.take(out);
    body.abandon(1);
    body.take(out);
    CHECK(out.find("\"content\":\"a b c\"") != std::string::npos);
    CHECK(out.ends_with("},{\"index\":1,\"logprobs\":null"));
}
