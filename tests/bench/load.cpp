// A load generator for any OpenAI-compatible server: streams completions over HTTP/1.1 on one libuv
// loop and reports throughput and latency. Light on purpose (it looks at bytes, it does not parse
// JSON per token), so that one core measures 100k tokens/s and the server is what is measured.

#include <fmt/core.h>
#include <llhttp.h>
#include <netdb.h>
#include <sys/socket.h>
#include <uv.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

struct LoadOptions {
    std::string host = "127.0.0.1";
    std::string port = "8000";
    std::string api = "ids";
    std::string model;
    std::string api_key;
    std::string json_path;
    std::string fields;  // of every request, beside those below
    int n_requests = 64;
    int n_warmup = 4;
    int concurrency = 8;
    double rate = 0;  // requests/s, Poisson; 0: closed loop at `concurrency`
    int prompt_tokens = 32;
    int max_tokens = 128;
    int vocab = 5000;  // prompt ids are drawn from [100, vocab)
    double temperature = 0;
    double time_limit = 300;  // s
    uint64_t seed = 1;
};

double now_s() {
    return uv_hrtime() * 1e-9;
}

/// What one request showed, in seconds since the generator started.
struct Outcome {
    double start = 0, first = 0, last = 0;
    int tokens = 0;  // as the server's usage says, else the events seen
    std::string failure;
    std::vector<float> gaps;  // between consecutive events
};

std::string request_body(const LoadOptions& options, std::mt19937_64& random) {
    std::uniform_int_distribution<int> id(100, options.vocab - 1);
    std::string prompt;
    for (int i = 0; i < options.prompt_tokens; i++) {
        if (options.api == "ids")
            prompt += fmt::format("{}{}", i ? "," : "", id(random));
        else
            prompt += fmt::format("{}{}", i ? " " : "", id(random) % 10);
    }
    std::string input =
        options.api == "ids" ? fmt::format(R"("prompt":[{}])", prompt)
        : options.api == "chat"
            ? fmt::format(R"("messages":[{{"role":"user","content":"{}"}}])", prompt)
            : fmt::format(R"("prompt":"{}")", prompt);
    std::string model = options.model.empty() ? "" : fmt::format(R"("model":"{}",)", options.model);
    return fmt::format(
        R"({{{}{},"max_tokens":{},"temperature":{},"seed":{},"ignore_eos":true,"stream":true,)"
        R"("stream_options":{{"include_usage":true}}{}}})",
        model, input, options.max_tokens, options.temperature, random() % 1000000, options.fields);
}

class LoadRun;

/// One keep-alive connection, one request at a time.
class LoadClient {
  public:
    LoadClient(LoadRun& run, uv_loop_t* loop) : run_(run), loop_(loop) {
        llhttp_settings_init(&settings_);
        settings_.on_body = [](llhttp_t* p, const char* at, size_t n) {
            static_cast<LoadClient*>(p->data)->on_body(std::string_view(at, n));
            return 0;
        };
        settings_.on_message_complete = [](llhttp_t* p) {
            static_cast<LoadClient*>(p->data)->complete_ = true;
            return 0;
        };
    }

    void send(std::string bytes);
    bool busy() const { return busy_; }
    /// Closes the connection if there is one, then reports `finished_request` if there is one.
    void close(bool finished_request);

  private:
    void connect();
    void write();
    void on_read(ssize_t n);
    void on_body(std::string_view body);
    void on_event(std::string_view data);
    void done(std::string failure);

    LoadRun& run_;
    uv_loop_t* loop_;
    uv_tcp_t tcp_{};
    uv_connect_t connect_{};
    uv_write_t write_{};
    llhttp_t parser_{};
    llhttp_settings_t settings_{};
    std::vector<char> buffer_ = std::vector<char>(64 << 10);
    std::string request_, partial_;
    Outcome outcome_;
    bool connected_ = false, busy_ = false, complete_ = false;
};

/// The whole measurement: hands requests to free clients and collects outcomes.
class LoadRun {
  public:
    LoadRun(const LoadOptions& options, uv_loop_t* loop)
        : options_(options), loop_(loop), random_(options.seed) {
        int n = options.rate > 0 ? 4096 : options.concurrency;
        for (int i = 0; i < n; i++) clients_.push_back(std::make_unique<LoadClient>(*this, loop));
    }

    bool resolve();
    void start();
    void on_done(Outcome outcome);
    int report() const;
    const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&address_); }

  private:
    void send_next();
    void finish();
    std::vector<const Outcome*> measured() const;

    const LoadOptions& options_;
    uv_loop_t* loop_;
    std::mt19937_64 random_;
    std::vector<std::unique_ptr<LoadClient>> clients_;
    std::vector<Outcome> outcomes_;
    sockaddr_storage address_{};
    uv_timer_t arrivals_{}, limit_{};
    int n_sent_ = 0;
    bool finished_ = false;
};

void LoadClient::send(std::string bytes) {
    request_ = std::move(bytes);
    partial_.clear();
    outcome_ = Outcome{};
    outcome_.start = now_s();
    busy_ = true;
    complete_ = false;
    llhttp_init(&parser_, HTTP_RESPONSE, &settings_);
    parser_.data = this;
    connected_ ? write() : connect();
}

void LoadClient::connect() {
    uv_tcp_init(loop_, &tcp_);
    uv_tcp_nodelay(&tcp_, 1);
    tcp_.data = connect_.data = write_.data = this;
    connected_ = true;
    int rc =
        uv_tcp_connect(&connect_, &tcp_, run_.address(), [](uv_connect_t* request, int status) {
            auto* self = static_cast<LoadClient*>(request->data);
            if (status == UV_ECANCELED) return;
            if (status != 0) return self->done(uv_strerror(status));
            uv_read_start(
                reinterpret_cast<uv_stream_t*>(&self->tcp_),
                [](uv_handle_t* handle, size_t, uv_buf_t* buf) {
                    auto& buffer = static_cast<LoadClient*>(handle->data)->buffer_;
                    *buf = uv_buf_init(buffer.data(), buffer.size());
                },
                [](uv_stream_t* stream, ssize_t n, const uv_buf_t*) {
                    static_cast<LoadClient*>(stream->data)->on_read(n);
                });
            self->write();
        });
    if (rc != 0) done(uv_strerror(rc));
}

void LoadClient::write() {
    uv_buf_t buf = uv_buf_init(request_.data(), request_.size());
    uv_write(&write_, reinterpret_cast<uv_stream_t*>(&tcp_), &buf, 1, nullptr);
}

void LoadClient::on_read(ssize_t n) {
    if (n == 0) return;
    if (n < 0) {
        if (busy_) return done(fmt::format("connection: {}", uv_strerror(n)));
        return close(false);
    }
    if (!busy_) return;
    if (llhttp_execute(&parser_, buffer_.data(), n) != HPE_OK)
        return done(fmt::format("bad HTTP: {}", llhttp_get_error_reason(&parser_)));
    if (!complete_) return;
    if (parser_.status_code != 200)
        done(fmt::format("status {}: {}", +parser_.status_code, partial_.substr(0, 200)));
    else if (outcome_.tokens == 0)
        done("no tokens");
    else
        done("");
}

void LoadClient::on_body(std::string_view body) {
    partial_.append(body);
    if (parser_.status_code != 200) return;
    size_t begin = 0;
    for (size_t end; (end = partial_.find("\n\n", begin)) != std::string::npos; begin = end + 2)
        on_event(std::string_view(partial_).substr(begin, end - begin));
    partial_.erase(0, begin);
}

void LoadClient::on_event(std::string_view event) {
    if (!event.starts_with("data: {")) return;  // a comment, or [DONE]
    constexpr std::string_view kUsage = "\"completion_tokens\":";
    if (size_t at = event.find(kUsage); at != std::string_view::npos) {
        std::from_chars(event.data() + at + kUsage.size(), event.data() + event.size(),
                        outcome_.tokens);
        return;
    }
    if (event.find("\"role\"") != std::string_view::npos &&
        event.find("\"content\":\"\"") != std::string_view::npos)
        return;  // the opening chunk of a chat carries no token
    double now = now_s();
    if (outcome_.tokens++ == 0)
        outcome_.first = now;
    else
        outcome_.gaps.push_back(float(now - outcome_.last));
    outcome_.last = now;
}

void LoadClient::done(std::string failure) {
    outcome_.failure = std::move(failure);
    if (!outcome_.failure.empty() || !llhttp_should_keep_alive(&parser_)) return close(true);
    busy_ = false;
    run_.on_done(std::move(outcome_));
}

void LoadClient::close(bool finished_request) {
    if (!connected_) return;
    connected_ = false;
    // The handle may be used again only once libuv has let go of it.
    auto then_report = [](uv_handle_t* handle) {
        auto* self = static_cast<LoadClient*>(handle->data);
        self->busy_ = false;
        self->run_.on_done(std::move(self->outcome_));
    };
    uv_close(reinterpret_cast<uv_handle_t*>(&tcp_),
             finished_request ? static_cast<uv_close_cb>(then_report) : nullptr);
}

bool LoadRun::resolve() {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    if (int rc = getaddrinfo(options_.host.c_str(), options_.port.c_str(), &hints, &found); rc) {
        fmt::print(stderr, "load: {}:{}: {}\n", options_.host, options_.port, gai_strerror(rc));
        return false;
    }
    std::memcpy(&address_, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

void LoadRun::start() {
    arrivals_.data = limit_.data = this;
    uv_timer_init(loop_, &arrivals_);
    uv_timer_init(loop_, &limit_);
    uv_timer_start(
        &limit_,
        [](uv_timer_t* timer) {
            fmt::print(stderr, "load: time limit reached; the rest is not counted\n");
            static_cast<LoadRun*>(timer->data)->finish();
        },
        uint64_t(options_.time_limit * 1000), 0);
    if (options_.rate > 0) return send_next();
    for (int i = 0; i < options_.concurrency; i++) send_next();
}

void LoadRun::send_next() {
    int total = options_.n_requests + options_.n_warmup;
    if (finished_ || n_sent_ == total) return;
    auto free = std::find_if(clients_.begin(), clients_.end(), [](auto& c) { return !c->busy(); });
    if (free != clients_.end()) {
        n_sent_++;
        std::string body = request_body(options_, random_);
        std::string key = options_.api_key.empty()
                              ? ""
                              : fmt::format("Authorization: Bearer {}\r\n", options_.api_key);
        (*free)->send(fmt::format(
            "POST /v1/{} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n{}"
            "Content-Length: {}\r\n\r\n{}",
            options_.api == "chat" ? "chat/completions" : "completions", options_.host,
            options_.port, key, body.size(), body));
    }
    if (options_.rate <= 0) return;
    double gap = std::exponential_distribution<double>(options_.rate)(random_);
    uv_timer_start(
        &arrivals_, [](uv_timer_t* timer) { static_cast<LoadRun*>(timer->data)->send_next(); },
        uint64_t(gap * 1000), 0);
}

void LoadRun::on_done(Outcome outcome) {
    if (finished_) return;
    outcomes_.push_back(std::move(outcome));
    if (int(outcomes_.size()) == options_.n_requests + options_.n_warmup) return finish();
    if (options_.rate <= 0) send_next();
}

void LoadRun::finish() {
    if (finished_) return;
    finished_ = true;
    for (auto& client : clients_) client->close(false);
    uv_close(reinterpret_cast<uv_handle_t*>(&arrivals_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&limit_), nullptr);
}

std::vector<const Outcome*> LoadRun::measured() const {
    std::vector<const Outcome*> good;
    for (size_t i = options_.n_warmup; i < outcomes_.size(); i++)
        if (outcomes_[i].failure.empty()) good.push_back(&outcomes_[i]);
    return good;
}

/// p in [0, 1]; milliseconds. Empty samples give 0.
double percentile_ms(std::vector<double>& values, double p) {
    if (values.empty()) return 0;
    auto at = values.begin() + size_t(p * (values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at * 1000;
}

int LoadRun::report() const {
    int n_failed = options_.n_requests + options_.n_warmup - int(outcomes_.size());
    std::string failure = n_failed ? "unfinished at the time limit" : "";
    for (auto& outcome : outcomes_)
        if (!outcome.failure.empty()) n_failed++, failure = outcome.failure;
    std::vector<double> ttft, itl, e2e;
    double begin = 1e300, end = 0;
    long tokens = 0;
    for (auto* outcome : measured()) {
        begin = std::min(begin, outcome->start), end = std::max(end, outcome->last);
        tokens += outcome->tokens;
        ttft.push_back(outcome->first - outcome->start);
        e2e.push_back(outcome->last - outcome->start);
        itl.insert(itl.end(), outcome->gaps.begin(), outcome->gaps.end());
    }
    double rate = end > begin ? tokens / (end - begin) : 0;
    fmt::print("{} requests, {} failed, {} tokens, {:.1f} tok/s\n", ttft.size(), n_failed, tokens,
               rate);
    if (!failure.empty()) fmt::print("  last failure: {}\n", failure);
    std::string json = fmt::format(R"({{"requests":{},"failed":{},"tokens":{},"tok_s":{:.2f})",
                                   ttft.size(), n_failed, tokens, rate);
    fmt::print("  ms        p50       p90       p99\n");
    for (auto& [name, values] : {std::pair{"ttft", &ttft}, {"itl", &itl}, {"e2e", &e2e}}) {
        double p50 = percentile_ms(*values, 0.5), p90 = percentile_ms(*values, 0.9),
               p99 = percentile_ms(*values, 0.99);
        fmt::print("  {:4} {:9.2f} {:9.2f} {:9.2f}\n", name, p50, p90, p99);
        json += fmt::format(R"(,"{}_ms":{{"p50":{:.3f},"p90":{:.3f},"p99":{:.3f}}})", name, p50,
                            p90, p99);
    }
    if (!options_.json_path.empty()) std::ofstream(options_.json_path) << json << "}\n";
    return n_failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    LoadOptions options;
    CLI::App app("Streams completions from an OpenAI-compatible server and reports how fast.");
    app.add_option("--host", options.host)->capture_default_str();
    app.add_option("--port", options.port)->capture_default_str();
    app.add_option("--api", options.api, "prompts as token ids, as text, or as chat messages")
        ->check(CLI::IsMember({"ids", "text", "chat"}))
        ->capture_default_str();
    app.add_option("--model", options.model, "the request's model field");
    app.add_option("--api-key", options.api_key);
    app.add_option("-n,--requests", options.n_requests)->capture_default_str();
    app.add_option("--warmup", options.n_warmup, "requests first, not counted")
        ->capture_default_str();
    app.add_option("-c,--concurrency", options.concurrency)->capture_default_str();
    app.add_option("--rate", options.rate, "requests/s, Poisson arrivals; 0: closed loop")
        ->capture_default_str();
    app.add_option("--prompt-tokens", options.prompt_tokens)->capture_default_str();
    app.add_option("--max-tokens", options.max_tokens)->capture_default_str();
    app.add_option("--vocab", options.vocab, "prompt ids are below this")
        ->check(CLI::Range(101, 1000000))
        ->capture_default_str();
    app.add_option("--temperature", options.temperature)->capture_default_str();
    app.add_option("--fields", options.fields,
                   "more members of each request, as JSON without braces: \"guided_json\":{...}")
        ->transform([](const std::string& text) { return text.empty() ? text : "," + text; });
    app.add_option("--time-limit", options.time_limit, "seconds")->capture_default_str();
    app.add_option("--seed", options.seed)->capture_default_str();
    app.add_option("--json", options.json_path, "write the figures to this file as well");
    CLI11_PARSE(app, argc, argv);

    uv_loop_t loop;
    uv_loop_init(&loop);
    LoadRun run(options, &loop);
    if (!run.resolve()) return 1;
    run.start();
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return run.report();
}
