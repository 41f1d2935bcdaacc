#include "daemon/api/body_queue.h"

#include <doctest/doctest.h>

#include <new>
#include <string>
#include <vector>

using namespace qwend;

namespace {

ExchangePtr exchange_with(size_t n_bytes) {
    HttpRequest request;
    request.body = std::string(n_bytes, 'x');
    return std::make_shared<Exchange>(std::weak_ptr<AnswerSink>(), std::move(request));
}

/// Reads `bodies`; how many of them were read by the time each was handed over.
std::vector<int> read_all(const BodyQueueLimits& limits, const std::vector<size_t>& bodies) {
    EventLoop loop;
    BodyQueue queue(loop, limits);
    int n_answered = 0;
    std::vector<int> answered;
    for (const size_t n : bodies) {
        queue.read(exchange_with(n), [&, n](std::string_view body) {
            CHECK(body.size() == n);
            return [&] { n_answered++; };
        });
        answered.push_back(n_answered);
    }
    loop.run();
    CHECK(n_answered == int(bodies.size()));
    CHECK(queue.n_jobs() == 0);
    return answered;
}

}  // namespace

TEST_CASE("body_queue: small bodies are read at once, large ones beside the loop") {
    CHECK(read_all({}, {100, 17 << 10, 100}) == std::vector<int>{1, 1, 2});
}

TEST_CASE("body_queue: what goes beside the loop does, however small it is") {
    EventLoop loop;
    BodyQueue queue(loop);
    bool answered = false;
    const auto read = [&](std::string_view) { return [&] { answered = true; }; };
    queue.read(exchange_with(10), read, BodyPlace::beside_loop);
    CHECK_FALSE(answered);
    loop.run();
    CHECK(answered);
}

TEST_CASE("body_queue: many small bodies together are as much work as a large one") {
    BodyQueueLimits limits;
    limits.burst_rate = 0;  // as if no time passed
    CHECK(read_all(limits, std::vector<size_t>(5, 16 << 10)) == std::vector<int>(5, 1));
    const std::vector<int> tiny = read_all(limits, std::vector<size_t>(200, 200));
    CHECK(tiny.back() == int(limits.burst_bytes / 200));
    limits.burst_rate = 1e12;  // as if they came one by one
    CHECK(read_all(limits, std::vector<size_t>(5, 16 << 10)).back() == 5);
}

TEST_CASE("body_queue: small bodies are not refused because the queue is full") {
    BodyQueueLimits limits;
    limits.burst_rate = 0;
    limits.max_jobs = 3;
    CHECK(read_all(limits, std::vector<size_t>(10, 16 << 10)).back() == 7);
}

TEST_CASE("body_queue: who reads a body has it alone, and can free it") {
    EventLoop loop;
    BodyQueue queue(loop);
    for (const size_t n : {size_t(100), size_t(1) << 20}) {
        const ExchangePtr exchange = exchange_with(n);
        const char* const bytes = exchange->request().body.data();
        bool is_alone = false;
        queue.read(exchange, [&](std::string body) {
            is_alone = body.data() == bytes && exchange->request().body.empty();
            return [] {};
        });
        loop.run();
        CHECK(is_alone);
    }
}

TEST_CASE("body_queue: what is thrown costs one request its answer, and no place") {
    EventLoop loop;
    BodyQueueLimits limits;
    limits.max_jobs = 2;
    BodyQueue queue(loop, limits);
    int n_answered = 0;
    for (int round = 0; round < 2; round++) {
        for (const bool throws : {true, false})
            queue.read(exchange_with(1 << 20), [&, throws](std::string) -> BodyQueue::Answering {
                if (throws) throw std::bad_alloc();
                return [&] { n_answered++; };
            });
        loop.run();
        CHECK(queue.n_jobs() == 0);
    }
    CHECK(n_answered == 2);
}
