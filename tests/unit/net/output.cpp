#include "net/output.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

using namespace qwend;

namespace {

/// A stream whose other end is read by a thread, as fast as it goes or with pauses.
struct Wire {
    uv_loop_t loop;
    uv_pipe_t pipe;
    Output output;
    std::string received;
    std::thread reader;
    static inline int status = 0;

    explicit Wire(bool slow) {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        uv_loop_init(&loop);
        uv_pipe_init(&loop, &pipe, 0);
        REQUIRE(uv_pipe_open(&pipe, ends[0]) == 0);
        reader = std::thread([this, end = ends[1], slow] {
            std::string buffer(100'000, 0);
            for (ssize_t n; (n = ::read(end, buffer.data(), buffer.size())) > 0;) {
                received.append(buffer, 0, size_t(n));
                if (slow) usleep(300);
            }
            ::close(end);
        });
    }
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&pipe); }
    void flush() {
        REQUIRE(output.flush(stream(), [](uv_stream_t*, int s) { status = s; }) == 0);
    }
    void close() {
        uv_close(reinterpret_cast<uv_handle_t*>(&pipe), nullptr);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        reader.join();
    }
};

void append_any(Output& output, std::string& twin, std::mt19937& random) {
    const size_t n = random() % 10 == 0 ? random() % 3'000'000 : random() % 20'000;
    const std::string bytes(n, char('a' + random() % 26));
    if (random() % 2)
        output.append(std::string(bytes));
    else if (random() % 2)
        output.append(std::string_view(bytes));
    else
        output.append_with([&](std::string& out) { out += bytes; });
    twin += bytes;
}

}  // namespace

TEST_CASE("output: arrives as it was written, and a turn sends a bounded part of it") {
    constexpr size_t kMostOfATurn = 1 << 20;
    std::mt19937 random(std::random_device{}());
    for (const bool slow : {false, true}) {
        Wire wire(slow);
        std::string twin;
        int n_turns = 0;
        while (twin.size() < 30'000'000 || wire.output.n_unsent(wire.stream()) > 0) {
            for (size_t i = random() % 3; i > 0 && twin.size() < 30'000'000; i--)
                append_any(wire.output, twin, random);
            const size_t unsent = wire.output.n_unsent(wire.stream());
            wire.flush();
            CHECK(unsent - wire.output.n_unsent(wire.stream()) <= kMostOfATurn);
            uv_run(&wire.loop, UV_RUN_NOWAIT);
            n_turns++;
        }
        CHECK(!wire.output.wants_flush());
        wire.close();
        CHECK(Wire::status == 0);
        CHECK(n_turns >= 30);
        CHECK(wire.received == twin);
    }
}

TEST_CASE("output: closed in the middle") {
    Wire wire(true);
    wire.output.append(std::string(50'000'000, 'x'));
    wire.flush();
    CHECK(!wire.output.wants_flush());  // the rest of it waits for what libuv has
    wire.close();
    CHECK(Wire::status == UV_ECANCELED);
    CHECK(wire.received.size() < 2 << 20);
}
