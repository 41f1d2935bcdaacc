#include "tests/bench/load/run.h"

#include <fmt/core.h>
#include <netdb.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "tests/bench/load/schedule.h"

namespace qwend::load {

namespace {

enum Stream : uint64_t { warmup_stream, measured_stream, arrival_stream };

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return double(t.tv_sec) + double(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// An open loop has as many connections as the server makes it have.
void allow_many_files() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

bool resolve(const LoadOptions& options, sockaddr_storage& out) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (int rc = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found); rc != 0) {
        fmt::print(stderr, "bench-load: {}:{}: {}\n", options.host, options.port, gai_strerror(rc));
        return false;
    }
    std::memcpy(&out, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

std::string request_of(const LoadOptions& options, const std::string& body) {
    const std::string key =
        options.api_key.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", options.api_key);
    return fmt::format(
        "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n{}"
        "Content-Length: {}\r\n\r\n{}",
        options.path(), options.host, options.port, key, body.size(), body);
}

bool is_warm(const RunResult& warmup) {
    for (const Outcome& outcome : warmup.outcomes) {
        if (outcome.failure.empty()) continue;
        fmt::print(stderr, "bench-load: a warm-up request failed: {}\n", outcome.failure);
        return false;
    }
    return warmup.n_unsent == 0;  // else the time limit was reached, and said
}

}  // namespace

LoadRun::LoadRun(const LoadOptions& options, Server& server, ClientPool& clients,
                 std::vector<Conversation> conversations, std::vector<double> arrivals)
    : options_(options),
      server_(server),
      clients_(clients),
      conversations_(std::move(conversations)),
      arrivals_(std::move(arrivals)),
      alarm_(server.loop, [this] { begin_due(); }),
      limit_(new uv_timer_t) {
    uv_timer_init(server.loop, limit_);
    limit_->data = this;
    n_requests_left_ = int(conversations_.size()) * options.turns;
}

LoadRun::~LoadRun() {
    uv_close(reinterpret_cast<uv_handle_t*>(limit_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
}

RunResult LoadRun::run() {
    if (conversations_.empty()) return {};
    uv_timer_start(
        limit_,
        [](uv_timer_t* timer) {
            fmt::print(stderr, "bench-load: the time limit is reached\n");
            static_cast<LoadRun*>(timer->data)->is_over_ = true;
            uv_stop(timer->loop);
        },
        uint64_t(options_.time_limit * 1000), 0);
    const double cpu_before = cpu_seconds();
    result_.begin = now_s();
    if (is_open_loop()) {
        begin_due();
    } else {
        const size_t n = std::min(conversations_.size(), size_t(options_.max_concurrency));
        for (size_t i = 0; i < n; i++) begin(now_s());
    }
    uv_run(server_.loop, UV_RUN_DEFAULT);
    uv_timer_stop(limit_);
    is_over_ = true;
    result_.cpu_seconds = cpu_seconds() - cpu_before;
    result_.n_unsent = n_requests_left_;
    return std::move(result_);
}

void LoadRun::begin_due() {
    if (is_over_) return;
    while (n_begun_ < arrivals_.size() && result_.begin + arrivals_[n_begun_] <= now_s())
        begin(result_.begin + arrivals_[n_begun_]);
    if (n_begun_ < arrivals_.size()) alarm_.set(result_.begin + arrivals_[n_begun_]);
}

void LoadRun::begin(double due) {
    if (n_begun_ < conversations_.size()) send(n_begun_++, due);
}

void LoadRun::send(size_t conversation, double due) {
    clients_.send(request_of(options_, conversations_[conversation].body()), due,
                  [this, conversation](Outcome outcome, const std::string& answer) {
                      on_done(conversation, std::move(outcome), answer);
                  });
}

void LoadRun::on_done(size_t index, Outcome outcome, const std::string& answer) {
    if (is_over_) return;
    const bool failed = !outcome.failure.empty();
    result_.outcomes.push_back(std::move(outcome));
    n_requests_left_--;
    Conversation& conversation = conversations_[index];
    if (!failed && conversation.go_on(answer)) return send(index, now_s());
    if (++n_over_ == conversations_.size()) {
        is_over_ = true;
        return uv_stop(server_.loop);
    }
    if (!is_open_loop()) begin(now_s());
}

std::optional<RunResult> measure(const LoadOptions& options) {
    allow_many_files();
    uv_loop_t loop;
    uv_loop_init(&loop);
    Server server;
    server.loop = &loop;
    const bool keeps_answers = options.turns > 1;
    server.keeps_ids = keeps_answers && options.api == Api::ids;
    server.keeps_text = keeps_answers && options.api != Api::ids;
    if (!resolve(options, server.address)) return std::nullopt;
    std::optional<RunResult> result;
    {
        ClientPool clients(server);
        auto warmups = draw_conversations(options, options.num_warmups, warmup_stream);
        auto conversations = draw_conversations(options, options.num_prompts, measured_stream);
        auto arrivals = options.is_open_loop()
                            ? arrival_times(options.num_prompts, options.request_rate,
                                            options.burstiness, options.seed + arrival_stream)
                            : std::vector<double>();
        LoadRun warmup(options, server, clients, std::move(warmups));
        LoadRun measured(options, server, clients, std::move(conversations), std::move(arrivals));
        if (is_warm(warmup.run())) result = measured.run();
    }
    uv_run(&loop, UV_RUN_DEFAULT);  // until what was closed is gone
    uv_loop_close(&loop);
    return result;
}

}  // namespace qwend::load
