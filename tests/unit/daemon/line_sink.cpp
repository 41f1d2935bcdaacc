// A log that nobody reads never holds up who writes it.

#include "daemon/line_sink.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

using namespace qwend;

namespace {

constexpr int kManyLines = 5000;

std::string numbered(int i) {
    return "line " + std::to_string(i) + std::string(80, '.');
}

/// What is in `fd`, without waiting for more.
std::string drain(int fd) {
    std::string text;
    char buffer[65536];
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
        text.append(buffer, size_t(n));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(n));
    return text;
}

void check_full_and_read_again(int read_end, int write_end) {
    const int flags = fcntl(write_end, F_GETFL);
    LineSink sink(write_end);
    for (int i = 0; i < kManyLines; i++) sink.write(numbered(i), "<4>");
    CHECK(sink.n_dropped() > 0);
    CHECK(sink.n_dropped() < kManyLines);
    CHECK(fcntl(write_end, F_GETFL) == flags);  // shared with whoever else has it
    const std::string before = drain(read_end);
    // Every line that is there is whole.
    const int n_kept = kManyLines - int(sink.n_dropped());
    std::string expected;
    for (int i = 0; i < n_kept; i++) expected += numbered(i) + "\n";
    CHECK(before == expected);
    const uint64_t n_dropped = sink.n_dropped();
    sink.write("after", "<4>");
    CHECK(drain(read_end) == "<4>" + std::to_string(n_dropped) +
                                 " lines of the log were lost: nobody read them in time\nafter\n");
    sink.write("and on", "<4>");
    CHECK(drain(read_end) == "and on\n");
    CHECK(sink.n_dropped() == n_dropped);
}

}  // namespace

TEST_CASE("line_sink: a pipe that nobody reads loses lines, counts them, and says so") {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    check_full_and_read_again(ends[0], ends[1]);
    close(ends[0]), close(ends[1]);
}

TEST_CASE("line_sink: a socket, which is what systemd gives, does as well") {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    check_full_and_read_again(ends[0], ends[1]);
    close(ends[0]), close(ends[1]);
}

TEST_CASE("line_sink: a file takes everything") {
    FILE* file = std::tmpfile();
    LineSink sink(fileno(file));
    std::string expected;
    for (int i = 0; i < kManyLines; i++)
        sink.write(numbered(i), ""), expected += numbered(i) + "\n";
    CHECK(sink.n_dropped() == 0);
    std::string text(expected.size() + 1, '\0');
    CHECK(pread(fileno(file), text.data(), text.size(), 0) == ssize_t(expected.size()));
    text.pop_back();
    CHECK(text == expected);
    std::fclose(file);
}

TEST_CASE("line_sink: nobody there is nobody to tell; long lines are cut") {
    LineSink closed(-1);
    closed.write("x", "");
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    LineSink sink(ends[1]);
    sink.write(std::string(10 * LineSink::kMaxLine, 'x'), "");
    sink.write("next", "");
    const std::string text = drain(ends[0]);
    CHECK(text.size() <= LineSink::kMaxLine + 5);
    CHECK(text.ends_with("x\nnext\n"));
    close(ends[0]);
    sink.write("to nobody", "");
    close(ends[1]);
}
