// One connection through its states: headers, body, answering, lingering; kept or closed.

#include "net/connection.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <tuple>

#include "tests/unit/net/served.h"

using namespace qwend;

namespace {

/// Far more than the kernel keeps for a reader that does not read.
constexpr size_t kLarge = 24u << 20;

std::string head_of(TestClient& client) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
        const std::string more = client.receive(1);
        if (more.empty()) break;
        head += more;
    }
    return head;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

/// A request in an older or newer HTTP, with whatever it says of its connection.
std::string get_by(std::string_view version, std::string_view connection) {
    std::string request = "GET / HTTP/" + std::string(version) + "\r\nHost: localhost\r\n";
    if (!connection.empty()) request += "Connection: " + std::string(connection) + "\r\n";
    return request + "\r\n";
}

}  // namespace

TEST_CASE("connection: a request may come in any pieces, and is answered once it is whole") {
    Served served;
    std::vector<std::string> bodies;
    served.handler.on_request = [&](ExchangePtr e) {
        bodies.push_back(e->request().body);
        e->respond({200, {}, "fine"});
    };
    std::vector<bool> early;
    served.run([&] {
        for (const size_t piece : {size_t(1), size_t(7), size_t(1000)}) {
            TestClient client(served.port);
            const std::string request = post("/", 10) + "0123456789";
            bool answered_early = false;
            for (size_t at = 0; at < request.size(); at += piece) {
                answered_early |= client.has_answer();
                client.send(request.substr(at, piece));
                if (at % 10 == 0) usleep(1000);
            }
            early.push_back(answered_early);
            CHECK(client.status() == 200);
        }
    });
    CHECK(bodies == std::vector<std::string>(3, "0123456789"));
    CHECK(early == std::vector<bool>(3, false));
}

TEST_CASE(
    "connection: HTTP/1.1 is kept unless it says close, 1.0 closed unless it says keep-alive") {
    struct Case {
        const char *version, *connection;
        bool kept;
        const char* said;  // by the answer
    };
    Served served;
    served.run([&] {
        for (const Case& c :
             std::vector<Case>{{"1.1", "", true, ""},
                               {"1.1", "close", false, "Connection: close\r\n"},
                               {"1.1", "keep-alive", true, ""},
                               {"1.0", "", false, "Connection: close\r\n"},
                               {"1.0", "keep-alive", true, "Connection: keep-alive\r\n"}}) {
            CAPTURE(c.version);
            CAPTURE(c.connection);
            TestClient client(served.port);
            client.send(get_by(c.version, c.connection));
            const std::string head = head_of(client);
            CHECK(has(head, "200 OK"));
            CHECK(has(head, "Connection:") == (*c.said != 0));
            CHECK(has(head, c.said));
            CHECK(client.receive(4) == "fine");
            client.send(get("/"));
            CHECK(client.status() == (c.kept ? 200 : 0));
        }
    });
}

TEST_CASE("connection: a stream to HTTP/1.0 has no chunks, and ends with the connection") {
    Served served;
    served.handler.on_request = [](ExchangePtr e) {
        e->start_stream(200, {});
        for (const char* part : {"one ", "two"}) e->write(part);
        e->finish();
    };
    std::string old, now;
    served.run([&] {
        TestClient one(served.port), two(served.port);
        one.send(get_by("1.0", "keep-alive"));
        old = one.receive_all();
        two.send(get_by("1.1", "close"));
        now = two.receive_all();
    });
    CHECK(old.ends_with("\r\n\r\none two"));
    CHECK_FALSE(has(old, "Transfer-Encoding"));
    CHECK(has(old, "Connection: close\r\n"));
    CHECK(now.ends_with("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
}

TEST_CASE("connection: 100 Continue, once it is known that the body is wanted, and waited for") {
    Served served;
    served.handler.on_headers = [](const HttpRequest& request) {
        HttpVerdict verdict{{}, 100};
        if (request.path == "/early") verdict.answer = HttpResponse{401, {}, ""};
        return verdict;
    };
    const auto expecting = [](const char* path, size_t n) {
        std::string request = post(path, n);
        return request.insert(request.size() - 2, "Expect: 100-continue\r\n");
    };
    served.run([&] {
        TestClient patient(served.port);
        patient.send(expecting("/", 5));
        CHECK(head_of(patient) == "HTTP/1.1 100 Continue\r\n\r\n");
        CHECK_FALSE(patient.has_answer());
        patient.send("12345");
        CHECK(patient.status() == 200);
        TestClient hasty(served.port);  // its body has come: it waits for nothing
        hasty.send(expecting("/", 5) + "12345");
        CHECK(hasty.status() == 200);
        for (auto& [path, n, status] : std::vector<std::tuple<const char*, size_t, int>>{
                 {"/early", 5, 401}, {"/", 101, 413}}) {
            TestClient refused(served.port);
            refused.send(expecting(path, n));
            CHECK(refused.status() == status);
            CHECK(refused.receive_all().find("100 Continue") == std::string::npos);
        }
    });
}

TEST_CASE("connection: an answer that is given before its body has come arrives, and the end") {
    Served served;
    served.handler.on_headers = [](const HttpRequest&) {
        HttpVerdict verdict{{}, 64 << 20};
        verdict.answer = HttpResponse{401, {}, std::string(kLarge, 'x')};
        return verdict;
    };
    size_t n_received = 0;
    std::string head;
    bool ended = false;
    served.run([&] {
        TestClient client(served.port, 64 << 10);
        client.send(post("/", 1 << 20) + std::string(1 << 19, 'b'));
        head = head_of(client);
        // What goes on to come is read and forgotten: closing on it would destroy the answer.
        std::thread sender([&] { client.send(std::string(1 << 19, 'b')); });
        usleep(50000);
        n_received = client.receive_all(kLarge);
        ended = client.receive().empty();
        sender.join();
    });
    CHECK(has(head, "401 Unauthorized"));
    CHECK(has(head, "Connection: close"));
    CHECK(n_received == kLarge);
    CHECK(ended);
    CHECK(served.statuses == std::vector<int>{401});
}

TEST_CASE("connection: a client that has said its last and reads slowly gets all of its answers") {
    for (const bool whole : {true, false}) {  // else a stream
        CAPTURE(whole);
        Served served;
        std::atomic<int> n_gone = 0;
        served.handler.on_request = [&](ExchangePtr e) {
            e->on_client_gone([&] { n_gone++; });
            if (whole) return e->respond({200, {}, std::string(kLarge, 'x')});
            e->start_stream(200, {});
            e->write(std::string(kLarge, 'x'));
            e->finish();
        };
        std::string all;
        served.run([&] {
            TestClient client(served.port, 64 << 10);
            client.send(get("/") + get("/"));
            client.end();
            usleep(100000);  // the end comes while most of the first answer is unsent
            for (std::string more; !(more = client.receive(1 << 20)).empty(); usleep(100))
                all += more;
        });
        CHECK(size_t(std::count(all.begin(), all.end(), 'x')) >= 2 * kLarge);
        CHECK(all.ends_with(whole ? "x" : "\r\n0\r\n\r\n"));
        CHECK(n_gone == 0);
        CHECK(served.statuses == std::vector<int>{200, 200});
    }
}

TEST_CASE(
    "connection: a client that goes while its answer is being made is told of, once, as 499") {
    for (const bool begun : {false, true}) {
        CAPTURE(begun);
        Served served;
        std::atomic<int> n_gone = 0;
        std::atomic<bool> asked = false;
        ExchangePtr held;
        served.handler.on_request = [&](ExchangePtr e) {
            if (begun) e->start_stream(200, {});
            e->on_client_gone([&] { n_gone++; });
            held = e;
            asked = true;
        };
        bool was_gone = false;
        const auto look = served.loop.make_wake([&] {
            was_gone = held->client_gone();
            held->write("to nobody"), held->finish(), held->respond({});
            held.reset();
        });
        served.run([&] {
            {
                TestClient client(served.port);
                client.send(get("/"));
                wait_for([&] { return asked.load(); });
            }
            wait_for([&] { return n_gone > 0; });
            look();
            usleep(50000);
        });
        CHECK(was_gone);
        CHECK(n_gone == 1);
        CHECK(served.statuses == std::vector<int>{begun ? 200 : kClientClosedRequest});
    }
}

TEST_CASE("connection: an answer is waited for before the next request is looked at") {
    Served served;
    std::vector<std::string> order;
    std::vector<ExchangePtr> held;
    std::atomic<size_t> n_asked = 0;
    served.handler.on_request = [&](ExchangePtr e) {
        order.push_back(e->request().path);
        held.push_back(e);
        n_asked++;
    };
    const auto answer = served.loop.make_wake([&] {
        for (auto& each : std::exchange(held, {})) each->respond({200, {}, each->request().path});
    });
    std::string all;
    std::vector<size_t> asked;
    served.run([&] {
        TestClient client(served.port);
        client.send(get("/1") + get("/2") + get("/3"));
        for (size_t n = 1; n <= 3; n++) {
            wait_for([&] { return n_asked >= n; });
            usleep(20000);
            asked.push_back(n_asked);
            answer();
        }
        while (!has(all, "/3")) {
            const std::string more = client.receive();
            if (more.empty()) break;
            all += more;
        }
    });
    CHECK(asked == std::vector<size_t>{1, 2, 3});
    CHECK(order == std::vector<std::string>{"/1", "/2", "/3"});
    CHECK(all.find("/1") < all.find("/2"));
    CHECK(has(all, "/3"));
}

TEST_CASE("connection: after a last answer the client is lingered for, and then closed") {
    Served served;
    served.handler.on_request = [](ExchangePtr e) { e->respond({200, {}, "last"}); };
    std::string answer;
    bool still_taken = true;
    double seconds = 0;
    served.run([&] {
        TestClient client(served.port);
        client.send(get_by("1.1", "close"));
        answer = client.receive_all();  // to the server's end of it
        const auto began = std::chrono::steady_clock::now();
        // What it says now is read, for a while: a reset could take the answer from it.
        still_taken = client.send("more");
        while (client.send("more") && seconds < 30) {
            usleep(10000);
            seconds =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
        }
    });
    CHECK(answer.ends_with("\r\n\r\nlast"));
    CHECK(still_taken);
    CHECK(seconds > 1);   // it is not closed at once,
    CHECK(seconds < 20);  // and not kept for as long as it talks
    CHECK(served.statuses == std::vector<int>{200});
}

TEST_CASE("connection: congested from a full queue on, until it is half empty") {
    Served served;
    constexpr size_t kCap = 8 << 20;  // many times what one turn sends
    served.limits.max_write_queue = kCap;
    std::vector<bool> congested;
    std::atomic<int> n_drained = 0;
    ExchangePtr held;
    const auto write = [&](size_t n) {
        held->write(std::string(n, 'x'));
        congested.push_back(held->congested());
    };
    served.handler.on_request = [&](ExchangePtr e) {
        held = e;
        e->on_drained([&] {
            write(kCap * 2 / 5);  // for which there is room beside a half, and not beside a whole
            n_drained++;
        });
        e->start_stream(200, {});
        write(1000);
        write(kCap);
        write(kCap);  // it is kept, though nobody should
    };
    const auto finish = served.loop.make_wake([&] { held->finish(), held.reset(); });
    std::string all;
    int n_before = -1;
    served.run([&] {
        TestClient client(served.port, 64 << 10);
        client.send(get("/"));
        usleep(100000);
        n_before = n_drained;
        while (all.size() < 2 * kCap) {
            const std::string more = client.receive(1 << 20);
            if (more.empty()) break;
            all += more;
        }
        wait_for([&] { return n_drained > 0; });
        finish();
        while (!all.ends_with("\r\n0\r\n\r\n")) {
            const std::string more = client.receive(1 << 20);
            if (more.empty()) break;
            all += more;
        }
    });
    CHECK(congested == std::vector<bool>{false, true, true, false});
    CHECK(n_before == 0);
    CHECK(n_drained == 1);
    CHECK(all.size() > 2 * kCap + kCap * 2 / 5);
}
