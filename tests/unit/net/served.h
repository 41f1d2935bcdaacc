#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/server.h"

namespace qwend {

/// Until it holds, which it does soon.
inline void wait_for(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) {
            FAIL_CHECK("it does not hold within 20 s");
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

/// A client with a blocking socket, for a thread of its own.
class TestClient {
  public:
    explicit TestClient(int port, int receive_buffer = 0) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (receive_buffer)
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        const timeval patience{60, 0};
        for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO})
            ::setsockopt(fd_, SOL_SOCKET, direction, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(uint16_t(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
    ~TestClient() { ::close(fd_); }
    TestClient(const TestClient&) = delete;

    /// False if the server does not want it.
    bool send(std::string_view data) {
        while (!data.empty()) {
            const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            data.remove_prefix(size_t(n));
        }
        return true;
    }
    void end() { ::shutdown(fd_, SHUT_WR); }
    bool has_answer() const {
        pollfd waiting{fd_, POLLIN, 0};
        return ::poll(&waiting, 1, 0) > 0;
    }
    /// At most `n` bytes more; empty at the end.
    std::string receive(size_t n = 64 << 10) {
        std::string data(n, 0);
        const ssize_t got = ::recv(fd_, data.data(), n, 0);
        data.resize(got > 0 ? size_t(got) : 0);
        return data;
    }
    std::string receive_all() {
        std::string all;
        for (std::string more; !(more = receive()).empty();) all += more;
        return all;
    }
    /// How much comes of `n` bytes.
    size_t receive_all(size_t n) {
        size_t got = std::exchange(buffer_, {}).size();
        for (std::string more; got < n && !(more = receive()).empty();) got += more.size();
        return got;
    }
    /// The status of the next answer, read to the end of its headers; 0: closed.
    int status() {
        size_t end;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            const std::string more = receive();
            if (more.empty()) return 0;
            buffer_ += more;
        }
        const int status = std::stoi(buffer_.substr(9, 3));
        buffer_.erase(0, end + 4);
        return status;
    }

  private:
    int fd_;
    std::string buffer_;
};

/// A server on a port of this machine, with handlers that do the least.
struct Served {
    HttpLimits limits;
    HttpHandler handler;
    EventLoop loop;
    std::vector<std::string> reports;
    std::vector<int> statuses;  // as on_answered was told
    HttpServer* server = nullptr;
    int port = 0;

    Served() {
        handler.on_headers = [](const HttpRequest& request) {
            return HttpVerdict{
                {}, request.method == "POST" ? size_t(64 << 20) : 0, request.path == "/light"};
        };
        handler.on_request = [](ExchangePtr exchange) { exchange->respond({200, {}, "fine"}); };
        handler.render_error = [](const HttpRequest&, int status, std::string_view message) {
            return HttpResponse{status, {}, std::string(message)};
        };
        handler.on_answered = [this](const HttpRequest&, int status) {
            statuses.push_back(status);
        };
        handler.report = [this](std::string_view what) { reports.emplace_back(what); };
    }

    /// Serves while `clients` run in a thread beside; then closes everything.
    void run(const std::function<void()>& clients) {
        loop.on_exception(handler.report);
        HttpServer serving(loop, limits, handler);
        server = &serving;
        REQUIRE(serving.listen("127.0.0.1:0").empty());
        const std::string bound = serving.bound_addresses()[0];
        port = std::stoi(bound.substr(bound.rfind(':') + 1));
        const auto done = loop.make_wake([this] { loop.stop(); });
        std::thread thread([&] {
            clients();
            done();
        });
        loop.run();
        thread.join();
        server = nullptr;
    }
};

inline std::string get(std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

inline std::string post(std::string_view path, size_t length) {
    return "POST " + std::string(path) +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

}  // namespace qwend
