// Answers and their readers: what is kept for slow ones, for how long, and what is sent at the end.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/unit/net/served.h"

using namespace qwend;

TEST_CASE("server: a stream is congested until its client has caught up") {
    Served served;
    served.limits.max_write_queue = 64 << 10;
    constexpr size_t kBytes = 64u << 20;
    size_t n_written = 0, most_unread = 0;
    int n_drained = 0;
    std::atomic<size_t> n_read = 0;
    std::function<void(ExchangePtr)> write_more = [&](const ExchangePtr& e) {
        const std::string piece(10000, 'x');
        while (n_written < kBytes && !e->congested()) e->write(piece), n_written += piece.size();
        // What was read has chunks around it, so that it can be more.
        most_unread = std::max(most_unread, n_written - std::min<size_t>(n_written, n_read));
        if (n_written >= kBytes) e->finish();
    };
    served.handler.on_request = [&](ExchangePtr e) {
        if (e->request().path == "/next") return e->respond({200, {}, "the next"});
        e->on_drained([&, weak = std::weak_ptr(e)] {
            n_drained++;
            CHECK(!weak.lock()->congested());
            write_more(weak.lock());
        });
        e->start_stream(200, {});
        write_more(e);
    };
    std::string all;
    served.run([&] {
        TestClient client(served.port, 64 << 10);
        client.send(get("/stream") + get("/next"));
        while (all.find("the next") == std::string::npos) {
            const std::string more = client.receive();
            n_read += more.size();
            all = all.substr(all.size() > 100 ? all.size() - 100 : 0) + more;
            if (more.empty()) break;
        }
    });
    CHECK(n_written >= kBytes);
    CHECK(n_drained > 1);
    CHECK(most_unread < kBytes / 2);  // the kernel's buffers, and 64 KiB
}

TEST_CASE("server: answers nobody reads are bounded, and then all come") {
    Served served;
    std::atomic<int> n_answered = 0;
    constexpr int kRequests = 3000;
    served.handler.on_request = [&](ExchangePtr e) {
        if (e->request().path == "/other") return e->respond({});
        n_answered++;
        e->respond({200, {}, std::string(20000, 'x')});
    };
    size_t n_received = 0;
    int n_before = 0;
    served.run([&] {
        TestClient client(served.port, 64 << 10), other(served.port);
        std::thread sender([&] {
            for (int i = 0; i < kRequests; i++) client.send(get("/"));
            client.end();  // the end does not lose what was asked before
        });
        // Until the server has stopped answering, whose other clients it still serves.
        for (int last = -1; last != n_answered;) {
            last = n_answered;
            for (int i = 0; i < 50; i++) other.send(get("/other")), other.status();
        }
        n_before = n_answered;
        n_received = client.receive_all().size();
        sender.join();
    });
    CHECK(n_before < kRequests);
    CHECK(n_received > size_t(kRequests) * 20000);
}

TEST_CASE("server: what is written is sent, whatever ends the connection meanwhile") {
    for (const char* how : {"half-close", "drain", "keep-alive timer"}) {
        CAPTURE(how);
        Served served;
        served.limits.keepalive_timeout = 0.05;
        constexpr size_t kBytes = 24u << 20;
        served.handler.on_request = [&](ExchangePtr e) {
            e->respond({200, {}, std::string(kBytes, 'x')});
            if (std::string_view(how) == "drain") served.server->close_idle();
        };
        size_t n_received = 0;
        served.run([&] {
            TestClient client(served.port, 64 << 10);
            client.send(get("/"));
            if (std::string_view(how) == "half-close") client.end();
            usleep(200000);
            for (std::string more; !(more = client.receive()).empty();) n_received += more.size();
        });
        CHECK(n_received > kBytes);
    }
}

TEST_CASE(
    "server: a reader that takes a little now and then is cut off, also one of a whole answer") {
    for (bool stream : {true, false}) {
        Served served;
        served.limits.write_timeout = 0.2;
        served.limits.min_write_rate = 1e9;
        std::atomic<bool> gone = false;
        served.handler.on_request = [&](ExchangePtr e) {
            if (!stream) return e->respond({200, {}, std::string(64u << 20, 'x')});
            e->on_client_gone([&] { gone = true; });
            e->start_stream(200, {});
            e->write(std::string(64u << 20, 'x'));
        };
        size_t n_received = 0;
        served.run([&] {
            TestClient client(served.port, 64 << 10);
            client.send(get("/"));
            for (std::string more; !(more = client.receive(64 << 10)).empty(); usleep(5000))
                n_received += more.size();
        });
        CHECK(n_received < 64u << 20);
        CHECK(gone == stream);
    }
}

TEST_CASE("server: answers that nobody reads are bounded together, the slowest readers go first") {
    Served served;
    served.limits.max_write_memory = 64 << 20;
    constexpr size_t kBytes = 20u << 20;
    served.handler.on_request = [&](ExchangePtr e) {
        e->respond({200, {}, std::string(kBytes, 'x')});
    };
    int n_cut = 0, n_whole = 0;
    served.run([&] {
        std::vector<std::unique_ptr<TestClient>> clients;
        for (int i = 0; i < 6; i++) {
            clients.push_back(std::make_unique<TestClient>(served.port, 64 << 10));
            clients.back()->send(get("/"));
            clients.back()->status();
        }
        for (auto& client : clients) (client->receive_all(kBytes) < kBytes ? n_cut : n_whole)++;
    });
    CHECK(n_cut >= 2);
    CHECK(n_whole >= 2);
}

TEST_CASE("server: an answer that can have no body has no length either") {
    Served served;
    served.handler.on_request = [](ExchangePtr e) {
        const int status = std::stoi(e->request().path.substr(1));
        e->respond({status, {{"ETag", "\"a\""}}, {}});
    };
    served.run([&] {
        TestClient client(served.port);
        client.send(get("/304") + get("/204") + get("/200"));
        client.end();
        const std::string all = client.receive_all();
        const size_t last = all.find("HTTP/1.1 200 OK");
        CHECK(all.find("HTTP/1.1 304 Not Modified") == 0);
        CHECK(all.find("HTTP/1.1 204 No Content") != std::string::npos);
        CHECK(all.find("Content-Length") > last);
        CHECK(all.find("Content-Length: 0") != std::string::npos);
    });
}
