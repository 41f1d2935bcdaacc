// A server and its clients in one process: what raw bytes from outside cannot bring about.

#include "net/server.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <new>
#include <stdexcept>
#include <thread>

#include "tests/unit/net/served.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("server: what a handler throws costs one answer, never the process") {
    struct Place {
        const char* name;
        std::function<void(Served&)> spoil;
        int status;  // of the answer; 0: the connection is closed
    };
    const auto bad = [](auto...) -> void { throw std::bad_alloc(); };
    const std::vector<Place> places = {
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
             s.handler.render_error = [](int, std::string_view) -> HttpResponse {
                 throw std::runtime_error("render_error");
             };
         },
         0},
        {"add_headers",
         [](Served& s) {
             s.handler.add_headers = [](const HttpRequest& r, Headers&) {
                 if (r.path == "/bad") throw std::runtime_error("add_headers");
             };
         },
         0},
        {"on_answered", [&](Served& s) { s.handler.on_answered = bad; }, 200},
        {"a timer of the handler's",
         [&](Served& s) {
             s.handler.on_request =
                 [&s, bad, keep = std::shared_ptr<EventLoop::Timer>()](ExchangePtr e) mutable {
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
    };
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

TEST_CASE("loop: what callbacks throw ends there") {
    EventLoop loop;
    std::vector<std::string> reports;
    loop.on_exception([&](std::string_view what) { reports.emplace_back(what); });
    const auto bad = [] { throw std::runtime_error("thrown"); };
    const auto wake = loop.make_wake(bad);
    const auto timer = loop.add_timer(0, false, bad);
    loop.on_signal(SIGUSR1, bad);
    int n_done = 0;
    loop.offload(bad, [&] { n_done++; });
    loop.offload([] {},
                 [&] {
                     n_done++;
                     throw std::bad_alloc();
                 });
    wake();
    raise(SIGUSR1);
    const auto end = loop.add_timer(0.01, true, [&] {
        if (n_done == 2 && reports.size() == 5) loop.stop();
    });
    loop.run();
    CHECK(reports.size() == 5);
}

TEST_CASE("loop: a timer starts from the present, however long the turn has lasted") {
    EventLoop loop;
    std::chrono::steady_clock::time_point began;
    std::shared_ptr<EventLoop::Timer> inner;
    double waited = 0;
    const auto outer = loop.add_timer(0, false, [&] {
        usleep(200000);
        began = std::chrono::steady_clock::now();
        inner = loop.add_timer(0.1, false, [&] {
            waited =
                std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
            loop.stop();
        });
    });
    loop.run();
    CHECK(waited > 0.095);
}

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
        while (!busy) usleep(1000);
        one.send("Host: localhost\r\n\r\n");
        two.send("67890");
        headers = one.status();
        body = two.status();
    });
    CHECK(headers == 200);
    CHECK(body == 200);
}

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
