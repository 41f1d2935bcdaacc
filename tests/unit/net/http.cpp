// What the layer above hangs on a request.

#include "net/http.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "tests/unit/net/served.h"

using namespace qwend;

TEST_CASE(
    "http: what the handler found at the headers stays with that request, and with no other") {
    static const int first = 0, second = 0;
    auto name = [](const HttpRequest& request) {
        return request.route == &first ? 1 : request.route == &second ? 2 : 0;
    };
    Served served;
    std::vector<int> asked, answered, refused;
    served.limits.max_body = 100;
    served.handler.on_headers = [&](const HttpRequest& request) {
        CHECK(request.route == nullptr);
        HttpVerdict verdict{{}, 100};
        if (request.path == "/1") verdict.route = &first;
        if (request.path == "/2") verdict.route = &second;
        if (request.path == "/2") verdict.answer = HttpResponse{401, {}, ""};
        return verdict;
    };
    served.handler.on_request = [&](ExchangePtr exchange) {
        asked.push_back(name(exchange->request()));
        exchange->respond({200, {}, ""});
    };
    served.handler.render_error = [&](const HttpRequest& request, int status, std::string_view) {
        refused.push_back(name(request));
        return HttpResponse{status, {}, ""};
    };
    served.handler.on_answered = [&](const HttpRequest& request, int) {
        answered.push_back(name(request));
    };
    served.run([&] {
        TestClient one(served.port), two(served.port);
        one.send(get("/1") + get("/2") + get("/3") + post("/1", 101));
        one.receive_all();
        two.send(get("/1") + "GET /1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
        two.receive_all();
    });
    CHECK(asked == std::vector<int>{1, 0, 1});
    CHECK(refused == std::vector<int>{1, 0});
    CHECK(answered == std::vector<int>{1, 2, 0, 1, 1, 0});
}

namespace {

/// Keeps what it is told.
struct Listener : AnswerSink {
    bool open = true, full = false;
    std::string heard;

    bool is_open() const override { return open; }
    bool congested() const override { return full; }
    void respond(Exchange& exchange, HttpResponse response) override {
        exchange.set_started();
        exchange.set_complete();
        heard += std::to_string(response.status) + response.body;
    }
    void start_stream(Exchange& exchange, int status, const Headers&) override {
        exchange.set_started();
        heard += std::to_string(status);
    }
    void write(std::string_view data) override { heard += data; }
    void finish(Exchange& exchange) override {
        exchange.set_complete();
        heard += '.';
    }
    void abort(Exchange& exchange) override {
        exchange.set_complete();
        heard += '!';
    }
};

}  // namespace

TEST_CASE("http: whoever asks from within hears the answer as a client would, and no more") {
    const auto sink = std::make_shared<Listener>();
    Exchange whole(sink, {}), stream(sink, {}, Urgency::background), broken(sink, {});
    CHECK(!whole.in_background());
    CHECK(stream.in_background());
    whole.respond({404, {}, "none"});
    whole.respond({200, {}, "late"});
    CHECK(whole.complete());
    CHECK(std::exchange(sink->heard, {}) == "404none");
    stream.start_stream(200, {});
    stream.write("a");
    stream.finish();
    stream.write("b");
    broken.start_stream(200, {});
    broken.abort();
    broken.finish();
    CHECK(std::exchange(sink->heard, {}) == "200a.200!");
}

TEST_CASE("http: a sink that is closed or gone is a client that went") {
    auto sink = std::make_shared<Listener>();
    Exchange exchange(sink, {});
    int n_gone = 0, n_drained = 0;
    exchange.on_client_gone([&] { n_gone++; });
    exchange.on_drained([&] { n_drained++; });
    sink->full = true;
    CHECK(exchange.congested());
    exchange.tell_drained();
    exchange.tell_drained();
    sink->open = false;
    CHECK(exchange.client_gone());
    exchange.respond({200, {}, ""});
    exchange.tell_gone();
    exchange.tell_gone();
    CHECK(sink->heard == "");
    sink.reset();
    CHECK(exchange.client_gone());
    CHECK(!exchange.congested());
    CHECK(n_gone == 1);
    CHECK(n_drained == 2);
}

TEST_CASE("http: a stream's body is not sent where its head was asked for alone") {
    Served served;
    served.handler.on_request = [](ExchangePtr exchange) {
        exchange->start_stream(200, {});
        exchange->write("body");
        exchange->finish();
    };
    served.run([&] {
        TestClient client(served.port);
        client.send(
            "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        const std::string answers = client.receive_all();
        CHECK(answers.find("body") == answers.rfind("body"));
        CHECK(answers.find("\r\n\r\nHTTP/1.1 200") != std::string::npos);
    });
}
