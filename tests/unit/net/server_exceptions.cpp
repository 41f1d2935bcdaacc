// What a handler throws: a bad answer, never the end of the process.

#include <doctest/doctest.h>

#include <new>
#include <stdexcept>

#include "tests/unit/net/served.h"

using namespace qwend;

namespace {

struct Place {
    const char* name;
    std::function<void(Served&)> spoil;
    int status;  // of the answer; 0: the connection is closed
};

const auto bad = [](auto...) -> void { throw std::bad_alloc(); };

/// What is spoilt answers /bad alone, and is told of it.
void check_places(const std::vector<Place>& places) {
    for (const Place& place : places) {
        CAPTURE(place.name);
        Served served;
        place.spoil(served);
        int first = -1, pipelined = -1, second = -1;
        served.run([&] {
            TestClient client(served.port), other(served.port);
            client.send(get("/bad"));
            first = client.status();
            // A stream that breaks off has no last chunk.
            if (std::string_view(place.name).ends_with("begun")) CHECK(client.receive().empty());
            TestClient in_line(served.port);
            in_line.send(get("/good") + get("/bad"));
            pipelined = in_line.status();
            other.send(get("/good"));
            second = other.status();
        });
        CHECK(first == place.status);
        CHECK(pipelined == 200);
        CHECK(second == 200);
        if (std::string_view(place.name) != "report") CHECK(!served.reports.empty());
    }
}

}  // namespace

TEST_CASE("server: what a handler throws costs one answer, never the process") {
    check_places({
        {"on_headers",
         [](Served& s) {
             s.handler.on_headers = [](const HttpRequest& r) -> HttpVerdict {
                 if (r.path == "/bad") throw std::runtime_error("on_headers");
                 return {};
             };
         },
         500},
        {"on_request",
         [](Served& s) {
             s.handler.on_request = [](ExchangePtr e) {
                 if (e->request().path == "/bad") throw 42;
                 e->respond({});
             };
         },
         500},
        {"on_request, an answer begun",
         [](Served& s) {
             s.handler.on_request = [](ExchangePtr e) {
                 if (e->request().path != "/bad") return e->respond({});
                 e->start_stream(200, {});
                 throw std::runtime_error("halfway");
             };
         },
         200},
        {"render_error",
         [&](Served& s) {
             s.handler.on_headers = [](const HttpRequest& r) -> HttpVerdict {
                 if (r.path == "/bad") throw std::runtime_error("on_headers");
                 return {};
             };
             s.handler.render_error = [](const HttpRequest&, int,
                                         std::string_view) -> HttpResponse {
                 throw std::runtime_error("render_error");
             };
         },
         0},
    });
}

TEST_CASE("server: what throws beside a handler costs one answer, never the process") {
    check_places({
        {"add_headers",
         [](Served& s) {
             s.handler.add_headers = [](const HttpRequest& r, Headers&) {
                 if (r.path == "/bad") throw std::runtime_error("add_headers");
             };
         },
         0},
        {"on_answered", [](Served& s) { s.handler.on_answered = bad; }, 200},
        {"a timer of the handler's",
         [&](Served& s) {
             s.handler.on_request =
                 [&s, keep = std::shared_ptr<EventLoop::Timer>()](ExchangePtr e) mutable {
                     e->respond({});
                     if (e->request().path == "/bad") keep = s.loop.add_timer(0, false, bad);
                 };
         },
         200},
        {"report",
         [&](Served& s) {
             s.handler.report = bad;
             s.handler.on_request = [](ExchangePtr e) {
                 if (e->request().path == "/bad") throw std::runtime_error("on_request");
                 e->respond({});
             };
         },
         500},
    });
}

TEST_CASE("server: exceptions of those who are told that a client left, or caught up") {
    Served served;
    served.limits.max_write_queue = 1 << 10;
    served.handler.on_request = [](ExchangePtr e) {
        if (e->request().path == "/good") return e->respond({});
        e->on_client_gone([] { throw std::runtime_error("gone"); });
        e->on_drained([] { throw std::runtime_error("drained"); });
        e->start_stream(200, {});
        e->write(std::string(16 << 20, 'x'));
    };
    int good = 0;
    served.run([&] {
        {
            TestClient client(served.port);
            client.send(get("/bad"));
            CHECK(client.status() == 200);
        }
        TestClient reader(served.port);
        reader.send(get("/bad"));
        CHECK(reader.receive_all().size() >= 16u << 20);
        TestClient other(served.port);
        other.send(get("/good"));
        good = other.status();
    });
    CHECK(good == 200);
    CHECK(served.reports.size() >= 2);
}
