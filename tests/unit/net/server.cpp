// A server and its clients in one process: limits, turns, addresses, the end.

#include "net/server.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/unit/net/served.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("server: what came while the loop was busy came in time") {
    Served served;
    served.limits.header_timeout = 0.3;
    served.limits.body_timeout = 0.3;
    std::atomic<bool> busy = false;
    served.handler.on_request = [&](ExchangePtr e) {
        if (e->request().path == "/busy") {
            busy = true;
            usleep(600000);
        }
        e->respond({});
    };
    int headers = 0, body = 0;
    served.run([&] {
        TestClient one(served.port), two(served.port), other(served.port);
        one.send("GET / HTTP/1.1\r\n");
        two.send(post("/", 10) + "12345");
        usleep(50000);
        other.send(get("/busy"));
        wait_for([&] { return busy.load(); });
        one.send("Host: localhost\r\n\r\n");
        two.send("67890");
        headers = one.status();
        body = two.status();
    });
    CHECK(headers == 200);
    CHECK(body == 200);
}

TEST_CASE("server: half a request's head is no request, and can be closed") {
    for (const char* before : {"", "an answer first"}) {
        CAPTURE(before);
        Served served;
        const auto drain = served.loop.make_wake([&] { served.server->close_half_heads(); });
        std::string received, after;
        served.run([&] {
            TestClient half(served.port);
            half.send((*before ? get("/") : "") + "GET / HTTP/1.1\r\nHost: loc");
            while (*before && !received.ends_with("fine")) received += half.receive();
            usleep(50000);
            drain();
            after = half.receive_all();  // waits for the server's end of it
        });
        CHECK(after.empty());
        CHECK(served.statuses == (*before ? std::vector<int>{200} : std::vector<int>{}));
    }
}

TEST_CASE("server: a body that trickles in is refused, one that keeps the pace is not") {
    Served served;
    served.limits.body_timeout = 0.3;
    served.limits.min_body_rate = 200;
    int trickled = 0, fast = 0;
    served.run([&] {
        TestClient slow(served.port), steady(served.port);
        slow.send(post("/", 1 << 20));
        // Every byte comes within the timeout.
        for (int i = 0; i < 200 && !slow.has_answer(); i++) slow.send("x"), usleep(20000);
        trickled = slow.status();
        steady.send(post("/", 40 * 100));
        for (int i = 0; i < 40; i++) steady.send(std::string(100, 'x')), usleep(20000);
        fast = steady.status();
    });
    CHECK(trickled == 408);
    CHECK(fast == 200);
}

TEST_CASE("server: all bodies together are bounded") {
    Served served;
    served.limits.max_body_memory = 3 << 20;
    std::vector<ExchangePtr> held;
    served.handler.on_request = [&](ExchangePtr e) {
        if (e->request().path == "/hold") return held.push_back(e);
        for (auto& each : held) {
            if (e->request().path == "/take") each->take_body();
            each->respond({});
        }
        held.clear();
        e->respond({});
    };
    std::vector<int> statuses;
    served.run([&] {
        const std::string two(2 << 20, 'x');
        TestClient first(served.port), second(served.port), third(served.port), fourth(served.port);
        first.send(post("/hold", two.size()) + two);
        usleep(50000);
        second.send(post("/hold", two.size()) + two);
        statuses.push_back(second.status());
        third.send(get("/release"));
        statuses.push_back(third.status());
        statuses.push_back(first.status());
        fourth.send(post("/", two.size()) + two);
        statuses.push_back(fourth.status());
    });
    CHECK(statuses == std::vector<int>{503, 200, 200, 200});
}

TEST_CASE("server: a route says what body it takes, and an early answer reads none") {
    Served served;
    size_t most_kept = 0;
    served.handler.on_headers = [](const HttpRequest& request) {
        HttpVerdict verdict;
        verdict.max_body = request.path == "/small" ? 10 : 0;
        if (request.path == "/early") verdict.answer = HttpResponse{401, {}, ""};
        return verdict;
    };
    served.handler.on_request = [&](ExchangePtr e) {
        most_kept = std::max(most_kept, e->request().body.size());
        e->respond({});
    };
    std::vector<int> statuses;
    served.run([&] {
        for (auto& [path, length] : std::vector<std::pair<std::string, size_t>>{{"/small", 10},
                                                                                {"/small", 11},
                                                                                {"/none", 1000},
                                                                                {"/none", 1 << 20},
                                                                                {"/early", 7}}) {
            TestClient client(served.port);
            client.send(post(path, length) + std::string(std::min<size_t>(length, 1000), 'x'));
            statuses.push_back(client.status());
        }
    });
    CHECK(statuses == std::vector<int>{200, 413, 200, 413, 401});
    CHECK(most_kept == 10);
}

TEST_CASE("server: a full table gives up its longest idle client, and answers light requests") {
    Served served;
    served.limits.max_connections = 2;
    served.limits.reserved_connections = 1;
    std::vector<ExchangePtr> held;
    served.handler.on_request = [&](ExchangePtr e) {
        if (e->request().path == "/hold") return held.push_back(e);
        e->respond({200, {}, ""});
        for (auto& each : std::exchange(held, {}))
            if (e->request().path == "/release") each->respond({200, {}, ""});
    };
    std::vector<int> statuses;
    bool first_closed = false;
    served.run([&] {
        TestClient first(served.port), second(served.port);
        for (TestClient* client : {&first, &second}) {
            client->send(get("/"));
            statuses.push_back(client->status());
        }
        TestClient third(served.port);
        third.send(get("/hold"));
        first_closed = first.receive().empty();
        second.send(get("/hold"));
        usleep(50000);
        // The table is full of what is being answered.
        for (const char* path : {"/heavy", "/light", "/heavy", "/light"}) {
            TestClient more(served.port);
            more.send(get(path));
            statuses.push_back(more.status());
        }
        TestClient silent(served.port), last(served.port);
        last.send(get("/light"));  // once the silent one has had its second
        statuses.push_back(last.status());
    });
    CHECK(first_closed);
    CHECK(statuses == std::vector<int>{200, 200, 503, 200, 503, 200, 200});
}

TEST_CASE("server: addresses") {
    Served served;
    HttpServer server(served.loop, served.limits, served.handler);
    for (const char* bad : {"127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:", "127.0.0.1", ":80",
                            "127.0.0.1:+80", "127.0.0.1:123456789012", "127.0.0.1:8o", "unix:"})
        CHECK_MESSAGE(!server.listen(bad).empty(), bad);
    CHECK(server.bound_addresses().empty());
    bool in_use = true;
    CHECK(server.listen("127.0.0.1:0", &in_use).empty());
    CHECK(!in_use);
    const std::string bound = server.bound_addresses()[0];
    CHECK(server.listen(bound, &in_use).find("in use") != std::string::npos);
    CHECK(in_use);
    CHECK(server.listen("256.0.0.1:80", &in_use).find("256.0.0.1") != std::string::npos);
    CHECK(!in_use);
    CHECK(server.listen("localhost:0").empty());
    CHECK(server.bound_addresses().size() >= 2);

    TempDir dir;
    const std::string path = (dir.path() / "socket").string();
    CHECK(server.listen("unix:" + path).empty());
    struct stat status {};
    CHECK(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0660);
    CHECK(!server.listen("unix:" + path, &in_use).empty());
    CHECK(in_use);
    const std::string file = dir.write("file", "x").string();
    CHECK(server.listen("unix:" + file, &in_use).find("not a socket") != std::string::npos);
    CHECK(!in_use);
}

TEST_CASE("server: a client's pipelined requests take turns with others', however long they are") {
    Served served;
    constexpr int kPipelined = 30;  // fewer than a turn may have
    std::atomic<bool> other_sent = false;
    std::vector<std::string> order;
    served.handler.on_request = [&](ExchangePtr e) {
        while (!other_sent) std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        order.push_back(e->request().path);
        e->respond({});
    };
    served.run([&] {
        TestClient many(served.port), other(served.port);
        std::string requests;
        for (int i = 0; i < kPipelined; i++) requests += get("/many");
        many.send(requests);
        other.send(get("/other"));
        other_sent = true;
        for (int i = 0; i < kPipelined; i++) CHECK(many.status() == 200);
        CHECK(other.status() == 200);
    });
    REQUIRE(order.size() == kPipelined + 1);
    CHECK(order.back() == "/many");
}
