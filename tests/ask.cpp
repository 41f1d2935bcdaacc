// Asks a server that speaks OpenAI's API one question, prints the answer as it comes, and says how
// fast it came. What `make demo` shows is measured here, where an event is read, and not behind
// pipes that may hold text back until they are full.

#include <arpa/inet.h>
#include <fmt/core.h>
#include <llhttp.h>
#include <simdjson.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "daemon/api/json_writer.h"

namespace {

constexpr int kPatience = 120;  // seconds without a byte until nothing more is expected

double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// The answer's events as they are read: prints their text, keeps their times.
class Answer {
  public:
    explicit Answer(double asked) : asked_(asked) {}

    /// A part of the body, of any size. All events in it came at once.
    void read(std::string_view part) {
        const double now = now_s();
        partial_.append(part);
        size_t begin = 0;
        for (size_t end; (end = partial_.find("\n\n", begin)) != std::string::npos; begin = end + 2)
            on_event(std::string_view(partial_).substr(begin, end - begin), now);
        partial_.erase(0, begin);
        std::fflush(stdout);
    }
    const std::string& unread() const { return partial_; }  // of an error, which is no event

    /// One line. A rate is what came after the first token over the time it took; an answer that
    /// came in one piece has none.
    std::string summary() const {
        if (!is_done_ || first_ == 0) throw std::runtime_error("the answer is not complete");
        std::string line = fmt::format("first token after {:.0f} ms, {} tokens",
                                       (first_ - asked_) * 1e3, n_tokens_);
        if (last_ > first_ && n_tokens_ > n_first_)
            line += fmt::format(", {:.0f} tokens/s", (n_tokens_ - n_first_) / (last_ - first_));
        return line;
    }

  private:
    void on_event(std::string_view event, double now) {
        constexpr std::string_view kData = "data: ";
        if (!event.starts_with(kData)) return;  // a comment
        event.remove_prefix(kData.size());
        if (event == "[DONE]") {
            is_done_ = true;
            return;
        }
        const simdjson::padded_string json(event);
        simdjson::dom::element root, choice;
        if (parser_.parse(json).get(root) != simdjson::SUCCESS)
            throw std::runtime_error(fmt::format("no JSON: {}", event));
        int64_t n = 0;
        if (root.at_pointer("/usage/completion_tokens").get(n) == simdjson::SUCCESS) n_tokens_ = n;
        std::string_view text, reason;
        if (root.at_pointer("/choices/0").get(choice) != simdjson::SUCCESS) return;
        if (choice.at_pointer("/finish_reason").get(reason) == simdjson::SUCCESS) last_ = now;
        if (choice.at_pointer("/delta/content").get(text) != simdjson::SUCCESS || text.empty())
            return;
        if (first_ == 0) first_ = now;
        if (first_ == now) n_first_++;
        last_ = now;
        std::fwrite(text.data(), 1, text.size(), stdout);
    }

    double asked_, first_ = 0, last_ = 0;  // s
    int64_t n_tokens_ = 0, n_first_ = 0;   // of the answer; of those that came first, at once
    bool is_done_ = false;
    std::string partial_;
    simdjson::dom::parser parser_;
};

int connect_to(const std::string& address) {
    const size_t colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    if (colon == std::string::npos ||
        inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1)
        throw std::runtime_error("expected an address like 127.0.0.1:8000, found " + address);
    to.sin_port = htons(uint16_t(std::stoi(address.substr(colon + 1))));
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval patience{kPatience, 0};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        throw std::runtime_error(address + ": " + std::strerror(errno));
    return fd;
}

void send_request(int fd, const std::string& address, const std::string& question) {
    std::string body = R"({"messages":[{"role":"user","content":)";
    qwend::append_json_string(body, question);
    body += R"(}],"stream":true,"stream_options":{"include_usage":true}})";
    const std::string request = fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        address, body.size(), body);
    for (size_t n_sent = 0; n_sent < request.size();) {
        const ssize_t n = send(fd, request.data() + n_sent, request.size() - n_sent, MSG_NOSIGNAL);
        if (n <= 0) throw std::runtime_error(std::strerror(errno));
        n_sent += size_t(n);
    }
}

void ask(const std::string& address, const std::string& question) {
    const int fd = connect_to(address);
    Answer answer(now_s());
    send_request(fd, address, question);
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    std::string body;
    settings.on_body = [](llhttp_t* parser, const char* at, size_t n) {
        static_cast<std::string*>(parser->data)->append(at, n);
        return 0;
    };
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &body;
    char buffer[16384];
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) != 0;) {
        if (n < 0) throw std::runtime_error(std::strerror(errno));
        const llhttp_errno_t error = llhttp_execute(&parser, buffer, size_t(n));
        if (error != HPE_OK) throw std::runtime_error(llhttp_errno_name(error));
        answer.read(body);
        body.clear();
    }
    close(fd);
    if (parser.status_code != 200)
        throw std::runtime_error(
            fmt::format("status {}: {}", +parser.status_code, answer.unread()));
    const bool is_terminal = isatty(STDOUT_FILENO) == 1;
    fmt::print("\n{}{}{}\n", is_terminal ? "\033[2m" : "", answer.summary(),
               is_terminal ? "\033[0m" : "");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: ask HOST:PORT QUESTION\n");
        return 64;
    }
    try {
        ask(argv[1], argv[2]);
    } catch (const std::exception& e) {
        std::fflush(stdout);
        fmt::print(stderr, "\nask: {}\n", e.what());
        return 1;
    }
    return 0;
}
