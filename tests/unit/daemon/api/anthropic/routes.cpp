// Anthropic's routes, over HTTP.

#include "daemon/api/anthropic/routes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/unit/daemon/api/anthropic/said.h"
#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

std::string message(const std::string& fields = "") {
    return R"({"model":"alias","max_tokens":4,"messages":[{"role":"user","content":"x"}])" +
           fields + "}";
}

std::string receive_until(TestClient& client, std::string_view end) {
    std::string received;
    while (!has(received, end)) {
        const std::string more = client.receive();
        REQUIRE_FALSE(more.empty());
        received += more;
    }
    return received;
}

/// An error that names the request, as it is told in the header too.
void check_error(const std::string& answer, int status, std::string_view type) {
    CAPTURE(answer);
    CHECK(has(answer, fmt::format("HTTP/1.1 {} ", status)));
    CHECK(has(answer, fmt::format(R"({{"type":"error","error":{{"type":"{}","message":")", type)));
    const size_t id = answer.find("X-Request-Id: ");
    REQUIRE(id != std::string::npos);
    CHECK(has(answer, fmt::format("\"request_id\":\"{}\"}}",
                                  answer.substr(id + 14, answer.find("\r\n", id) - id - 14))));
}

}  // namespace

TEST_CASE("anthropic_routes: a message, whole, with the id in every place where clients look") {
    ServedApi served;
    served.run([&] {
        for (const char* path : {"/v1/messages", "/v1/messages?beta=true"}) {
            const std::string answer = served.ask(
                "POST", path, message(),
                "X-Request-Id: id-1\r\nx-api-key: any\r\nanthropic-version: 2023-06-01\r\n"
                "anthropic-beta: of-tomorrow-2030-01-01,context-1m\r\nX-Stainless-Lang: js\r\n");
            CHECK(has(answer, "\r\nRequest-Id: id-1\r\n"));
            const auto said = anthropic_said::read_document(body_of(answer));
            CHECK(said.is_whole);
            CHECK(said.model == "alias");
            CHECK(has(answer, "\"id\":\"msg_id-1\""));
            CHECK(said.blocks.size() == 1);
            CHECK(has(said.usage, "\"output_tokens\":4"));
        }
        const std::string nameless = served.post(
            "/v1/messages", R"({"max_tokens":1,"messages":[{"role":"user","content":"x"}]})");
        CHECK(has(nameless, R"("model":"first")"));
    });
}

TEST_CASE("anthropic_routes: a stream, and its first event behind a ping") {
    ServedApi served;
    served.options.ping_interval = 0.02;
    served.run([&] {
        served.first().gate.allow(0);
        TestClient client(served.port);
        ServedApi::send(client, "POST", "/v1/messages", message(R"(,"stream":true)"));
        std::string answer = receive_until(client, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
        CHECK(has(answer, "Content-Type: text/event-stream"));
        CHECK_FALSE(has(answer, "message_start"));
        served.first().gate.allow(Gate::all);
        answer += client.receive_all();
        CHECK(has(answer, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    });
}

TEST_CASE("anthropic_routes: as many tokens as the prompt of a message has, tools and all") {
    ServedApi served;
    served.engine_options.prefix_cache = false;
    served.run([&] {
        const auto count = [&](const std::string& fields) {
            const std::string body = message(fields);
            const std::string counted =
                body_of(served.post("/v1/messages/count_tokens?beta=true", body));
            const std::string usage =
                anthropic_said::read_document(body_of(served.post("/v1/messages", body))).usage;
            const size_t at = usage.find("\"input_tokens\":") + 15;
            const std::string n = usage.substr(at, usage.find(',', at) - at);
            CHECK(counted == "{\"input_tokens\":" + n + "}");
            return std::stoi(n);
        };
        const int bare = count("");
        CHECK(count(R"(,"system":"Be brief.","tools":[{"name":"f","input_schema":{}}])") >
              bare + 50);
        CHECK(has(served.post("/v1/messages/count_tokens",
                              R"({"model":"first","messages":[{"role":"user","content":"x"}]})"),
                  fmt::format("\"input_tokens\":{}", bare)));
        check_error(served.post("/v1/messages/count_tokens", "{}"), 400, "invalid_request_error");
        check_error(served.post("/v1/messages/count_tokens", R"({"model":"none"})"), 404,
                    "not_found_error");
    });
}

TEST_CASE("anthropic_routes: whatever goes wrong has the dialect's envelope") {
    ServedApi served;
    served.options.max_body = 1000;
    served.run([&] {
        const char* path = "/v1/messages";
        for (const char* body : {"", "{", "[]", R"({"model":5})", R"({"a":1,"a":2})", "{}"})
            check_error(served.post(path, body), 400, "invalid_request_error");
        check_error(served.post(path, R"({"model":"none"})"), 404, "not_found_error");
        check_error(served.post(path, std::string(1001, ' ')), 413, "request_too_large");
        check_error(served.ask("GET", path), 405, "invalid_request_error");
        CHECK(has(served.ask("GET", path), "Allow: POST\r\n"));
        check_error(served.ask("POST", path, "{}", "Content-Type: text/plain\r\n"), 415,
                    "invalid_request_error");
        served.on_loop([&] { served.api->start_draining(); });
        const std::string draining = served.post(path, message());
        check_error(draining, 503, "overloaded_error");
        CHECK(has(draining, "Retry-After: 1\r\n"));
    });
}

TEST_CASE(
    "anthropic_routes: a prompt beyond the context is too long, max_tokens beyond it is not") {
    ServedApi served;
    served.run([&] {
        std::string words;
        for (int i = 0; i < 3000; i++) words += "a b ";
        const std::string answer = served.post(
            "/v1/messages",
            R"({"max_tokens":4,"messages":[{"role":"user","content":")" + words + "\"}]}");
        check_error(answer, 400, "invalid_request_error");
        CHECK(has(answer, "\"message\":\"prompt is too long: "));
        const std::string clipped = served.post(
            "/v1/messages", R"({"max_tokens":32000,"messages":[{"role":"user","content":"x"}]})");
        CHECK(has(clipped, "200 OK"));
        const auto said = anthropic_said::read_document(body_of(clipped));
        CHECK(said.stop_reason == "\"model_context_window_exceeded\"");
    });
}

TEST_CASE("anthropic_routes: a key in either header, and the page of people for who probes it") {
    ServedApi served;
    served.keys = {"secret"};
    served.run([&] {
        const auto ask = [&](const std::string& header) {
            return served.ask("POST", "/v1/messages", message(), header);
        };
        check_error(ask(""), 401, "authentication_error");
        check_error(ask("x-api-key: other\r\n"), 401, "authentication_error");
        CHECK(has(ask("x-api-key: secret\r\n"), "200 OK"));
        CHECK(has(ask("Authorization: Bearer secret\r\n"), "200 OK"));
        CHECK(has(ask("Authorization: Bearer other\r\nx-api-key: secret\r\n"), "200 OK"));
        for (const char* method : {"GET", "HEAD"})
            CHECK(has(served.ask(method, "/", {}, "x-api-key: secret\r\n"), "200 OK"));
    });
}

TEST_CASE("anthropic_routes: a fault in mid-stream is an event, and no end follows it") {
    ServedApi served;
    served.run([&] {
        served.first().gate.allow(2);
        TestClient client(served.port);
        ServedApi::send(client, "POST", "/v1/messages", message(R"(,"stream":true)"));
        std::string answer = receive_until(client, "event: content_block_start\n");
        served.first().fail_at_step = served.first().n_steps.load();
        served.first().gate.allow(Gate::all);
        answer += client.receive_all();
        CHECK(has(answer, "200 OK"));
        CHECK(has(answer, "event: message_start\n"));
        const size_t error =
            answer.find("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"");
        CHECK(error != std::string::npos);
        CHECK_FALSE(has(answer, "message_stop"));
        CHECK_FALSE(answer.ends_with("0\r\n\r\n"));
    });
}
