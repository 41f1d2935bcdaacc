// Text completions: what they say of their prompts.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

TEST_CASE("openai_text_renderer: echo is the client's own text") {
    OpenAiRequest request = text_request();
    request.generation.echo = true;
    request.generation.prompts = {Prompt("e\u0301 \u212B"), Prompt("B")};
    const auto events = events_of(ids_of(" x"), FinishReason::length);
    const Said said = document_of(request, {events, events});
    CHECK(said.choices[0].text == "e\u0301 \u212B x");
    CHECK(said.choices[1].text == "B x");
}

TEST_CASE(
    "openai_text_renderer: however long what it repeats of a prompt is, it comes in small parts") {
    OpenAiRequest request = text_request();
    request.generation.n = 8;
    request.generation.echo = request.generation.return_token_ids = true;
    request.generation.prompts = {"first", std::string(100'000, '\x01'), "third"};
    const std::vector<std::vector<int32_t>> prompts = {{5}, std::vector<int32_t>(50'000, 7), {9}};
    Events events;
    for (int i = 0; i < 24; i++) events.push_back(events_of(ids_of("a b c"), FinishReason::length));
    for (const bool stream : {true, false}) {
        request.style.stream = stream;
        const std::string bytes = bytes_of(request, events, prompts);
        CHECK(bytes.size() > 8 * (6 * 100'000 + 2 * 50'000));
        const Said said = stream ? read_stream(bytes, 24) : read_document(bytes);
        REQUIRE(said.choices.size() == 24);
        for (size_t i = 0; i < 24; i++)
            CHECK(said.choices[i].text ==
                  std::get<std::string>(request.generation.prompts[i / 8]) + "a b c");
    }
}

TEST_CASE(
    "openai_text_renderer: a stream has an event for every token, the last one's with its end") {
    OpenAiRequest request = text_request();
    request.style.stream = true;
    const std::vector<int32_t> ids = ids_of("a b c");
    for (const FinishReason finish : {FinishReason::length, FinishReason::stop}) {
        AnswerBody body = make_body(demo(), request, {{5}});
        std::vector<std::string> events;
        for (const TokenEvent& event : events_of(ids, finish)) {
            body.on_event(0, event);
            body.take(events.emplace_back());
        }
        REQUIRE(events.size() == ids.size());
        for (const std::string& event : events)
            CHECK((event.find("\"finish_reason\":null") == event.npos) ==
                  (&event == &events.back()));
        CHECK(events.back().find("data: ", 1) == events.back().find("data: [DONE]"));
    }
}

TEST_CASE("openai_text_renderer: a choice that waits for its turn holds no copy of its prompt") {
    OpenAiRequest request = text_request();
    request.generation.echo = true;
    request.generation.prompts = {"first", std::string(100'000, '\x01')};
    AnswerBody body = make_body(demo(), request, {{5}, {7}});
    std::string out;
    for (const TokenEvent& event : events_of(ids_of("a b c"), FinishReason::stop))
        body.on_event(1, event);
    body.take(out);
    CHECK(!body.behind());
    CHECK(body.n_waiting() > 0);
    CHECK(body.n_waiting() < 1000);
}
