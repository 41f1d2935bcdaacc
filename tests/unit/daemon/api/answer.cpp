// An answer on its way out, in a dialect made up for it: what is sent when, and what an error makes
// of it.

#include "daemon/api/answer.h"

#include <doctest/doctest.h>

#include "daemon/api/route.h"
#include "net/clock.h"
#include "tests/unit/daemon/api/demo_text.h"
#include "tests/unit/daemon/api/plain_renderer.h"
#include "tests/unit/net/served.h"

using namespace qwend;

namespace {

/// The text of one token, or of many.
TokenEvent event_of(char c, FinishReason finish = FinishReason::none) {
    TokenEvent event;
    event.sampled.token = demo_text()->tokenizer.encode_with_added_tokens(std::string(1, c))[0];
    event.finish = finish;
    event.queue_seconds = 0.25;
    return event;
}

struct Made {
    std::shared_ptr<Answer> answer;
    PlainRenderer* renderer = nullptr;
};

Made make_answer(const ExchangePtr& exchange, bool is_stream, int n = 1) {
    Generation generation;
    generation.n = n;
    generation.sampling.stop_token_ids = {event_of('a').sampled.token};
    Made made;
    auto body = std::make_unique<AnswerBody>(
        *demo_text(), generation, std::vector<std::vector<int32_t>>{{1, 2, 3}},
        [&](const Choices&) {
            auto renderer = std::make_unique<PlainRenderer>(is_stream);
            made.renderer = renderer.get();
            return renderer;
        });
    made.answer = std::make_shared<Answer>(
        exchange, std::make_shared<Model>(demo_text(), EngineOptions(), [] {}), std::move(body));
    return made;
}

/// The whole answer to a client whose exchange is given to `handle`.
std::string answered(const std::function<void(const ExchangePtr&)>& handle) {
    static const Route route{
        "GET", "/", [](const ApiError& error) { return "!!" + error.message; }, {}};
    Served served;
    served.handler.on_headers = [](const HttpRequest&) {
        HttpVerdict verdict{{}, 0};
        verdict.route = &route;
        return verdict;
    };
    served.handler.on_request = [&](const ExchangePtr& exchange) { handle(exchange); };
    std::string answer;
    served.run([&] {
        TestClient client(served.port);
        client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        answer = client.receive_all();
    });
    CHECK(served.reports.empty());
    return answer;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// A body that was sent in chunks, up to where it ends or breaks off.
std::string unchunked(const std::string& answer, bool& complete) {
    std::string out;
    size_t at = answer.find("\r\n\r\n") + 4;
    complete = false;
    while (at < answer.size()) {
        const size_t n = std::stoul(answer.substr(at), nullptr, 16);
        at = answer.find("\r\n", at) + 2;
        if (n == 0) complete = true;
        out += answer.substr(at, n);
        at += n + 2;
    }
    return out;
}

}  // namespace

TEST_CASE("answer: a stream is sent as it comes, and begins with its first byte") {
    const std::string answer = answered([](const ExchangePtr& exchange) {
        const auto made = make_answer(exchange, true, 2);
        CHECK_FALSE(made.answer->flush(0));
        CHECK_FALSE(exchange->started());
        CHECK_FALSE(made.answer->on_event(1, event_of('b')));
        CHECK(made.answer->touch());
        CHECK_FALSE(made.answer->touch());
        CHECK_FALSE(made.answer->flush(0));
        CHECK(exchange->started());
        CHECK(made.answer->touch());
        made.answer->on_event(0, event_of('a', FinishReason::stop));
        CHECK_FALSE(made.answer->flush(0));
        CHECK(made.answer->is_done(0));
        made.answer->on_event(1, event_of('c', FinishReason::length));
        CHECK(made.answer->flush(0));
        CHECK_FALSE(made.answer->failed());
        // The token that stops a choice is no text of it.
        const std::string summary = made.answer->summary();
        CHECK(summary.starts_with(
            " prompt_tokens=3 cached_tokens=0 completion_tokens=3 finish=stop,length "
            "queue_ms=250.0 ttft_ms="));
    });
    bool complete = false;
    CHECK(has(answer, "Content-Type: text/x-stream\r\n"));
    CHECK(has(answer, "X-Accel-Buffering: no\r\n"));
    CHECK(unchunked(answer, complete) == "1b1c.");
    CHECK(complete);
}

TEST_CASE("answer: a document is sent whole, with its length") {
    const std::string answer = answered([](const ExchangePtr& exchange) {
        const auto made = make_answer(exchange, false);
        for (char c : std::string("ab")) {
            made.answer->on_event(0, event_of(c));
            CHECK_FALSE(made.answer->flush(0));
            made.answer->ping(1e9, 1);  // has none
            CHECK_FALSE(exchange->started());
        }
        made.answer->on_event(0, event_of('c', FinishReason::length));
        CHECK(made.answer->flush(0));
    });
    CHECK(has(answer, "Content-Type: text/x-document\r\n"));
    CHECK(has(answer, "Content-Length: 7\r\n"));
    CHECK(answer.ends_with("\r\n\r\n0a0b0c."));
}

TEST_CASE("answer: a ping, where nothing was sent for long, and never within an event") {
    const std::string answer = answered([](const ExchangePtr& exchange) {
        const auto made = make_answer(exchange, true);
        const double now = steady_seconds();
        made.answer->ping(now + 4, 5);
        CHECK_FALSE(exchange->started());
        made.answer->ping(now + 6, 5);
        CHECK(exchange->started());
        made.answer->ping(now + 10, 5);
        made.answer->on_event(0, event_of('a'));
        made.answer->flush(now + 20);
        made.answer->ping(now + 24, 5);
        made.answer->ping(now + 26, 5);
        made.answer->on_event(0, event_of('b', FinishReason::length));
        made.answer->flush(now + 27);
    });
    bool complete = false;
    CHECK(unchunked(answer, complete) == "~0a~0b.");
    CHECK(complete);
}

TEST_CASE("answer: an error is a status, in the route's dialect, while nothing was sent") {
    for (bool is_stream : {true, false}) {
        const std::string answer = answered([&](const ExchangePtr& exchange) {
            const auto made = make_answer(exchange, is_stream);
            made.answer->on_event(0, event_of('a'));
            TokenEvent event;
            event.finish = FinishReason::error;
            event.error = "not a number";
            CHECK_FALSE(made.answer->on_event(0, event));
            CHECK(made.answer->flush(0));
            CHECK(made.answer->failed());
            REQUIRE(made.answer->error());
            CHECK(made.answer->error()->message == "not a number");
            made.answer->fail({503, "unavailable_error", "", "", "gone"});
            CHECK(has(made.answer->summary(), " finish=error "));
        });
        CHECK(has(answer, "503 Service Unavailable"));
        CHECK(has(answer, "Retry-After: 1\r\n"));
        CHECK(answer.ends_with("\r\n\r\n!!gone"));
    }
}

TEST_CASE("answer: an error of a stream that has begun is its last event, and the stream breaks") {
    const std::string answer = answered([](const ExchangePtr& exchange) {
        const auto made = make_answer(exchange, true);
        made.answer->on_event(0, event_of('a'));
        made.answer->flush(0);
        TokenEvent event;
        event.finish = FinishReason::error;
        made.answer->on_event(0, event);
        CHECK(made.answer->flush(0));
        CHECK_FALSE(made.answer->error());  // the engine's to explain
        made.answer->fail({503, "unavailable_error", "", "", "gone"});
    });
    bool complete = true;
    CHECK(unchunked(answer, complete) == "0a!gone");
    CHECK_FALSE(complete);
}

TEST_CASE("answer: choices that wait for their turn may hold so much and no more") {
    const std::string answer = answered([](const ExchangePtr& exchange) {
        const auto made = make_answer(exchange, false, 2);
        made.answer->on_event(1, event_of('a'));
        made.renderer->waiting_bytes = 32 << 20;
        CHECK_FALSE(made.answer->flush(0));
        made.renderer->waiting_bytes++;
        CHECK(made.answer->flush(0));
        CHECK(made.answer->failed());
        made.answer->fail(made.answer->error().value());
    });
    CHECK(has(answer, "400 Bad Request"));
    CHECK(has(answer, "!!the answer's choices exceed 32 MiB"));
}

TEST_CASE("answer: a choice that has ended wants its sequence cancelled, once") {
    answered([](const ExchangePtr& exchange) {
        Generation generation;
        generation.stops = {"b"};
        Answer answer(exchange, std::make_shared<Model>(demo_text(), EngineOptions(), [] {}),
                      std::make_unique<AnswerBody>(
                          *demo_text(), generation, std::vector<std::vector<int32_t>>{{1}},
                          [](const Choices&) { return std::make_unique<PlainRenderer>(true); }));
        CHECK_FALSE(answer.on_event(0, event_of('a')));
        CHECK(answer.on_event(0, event_of('b')));
        CHECK_FALSE(answer.on_event(0, event_of('c')));
        CHECK(answer.flush(0));
        CHECK(has(answer.summary(), "completion_tokens=2 finish=stop"));
    });
}
