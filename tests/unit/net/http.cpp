// What the layer above hangs on a request.

#include "net/http.h"

#include <doctest/doctest.h>

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
