#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "daemon/api.h"
#include "daemon/commands.h"
#include "daemon/keys.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/served_model.h"
#include "daemon/version.h"
#include "model/error.h"
#include "net/server.h"

namespace qwend {

namespace {

constexpr double kDrainTick = 0.02;  // s
constexpr double kDrainLinger = 3;   // s for clients to take their last answer in
constexpr double kFaultLinger = 1;   // s; the same after a fault, where a restart is all that helps
constexpr double kStallTick = 1;     // s; how exactly step_timeout is kept, at most

/// Seconds since this process was started, as the kernel counts them.
double process_age() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    FILE* file = std::fopen("/proc/self/stat", "r");
    if (!file) return 0;
    unsigned long long ticks = 0;
    // The 22nd field; the second one, the name, is ours and has no spaces.
    const int n = std::fscanf(file,
                              "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                              "%*d %*d %*d %*d %llu",
                              &ticks);
    std::fclose(file);
    const double started = double(ticks) / double(sysconf(_SC_CLK_TCK));
    return n == 1 ? double(now.tv_sec) + 1e-9 * double(now.tv_nsec) - started : 0;
}

HttpLimits http_limits(const Options& options) {
    HttpLimits limits;
    limits.max_body = options.max_body;
    limits.max_body_memory = std::max<size_t>(limits.max_body_memory, 4 * limits.max_body);
    limits.max_connections = options.max_connections;
    limits.header_timeout = options.header_timeout;
    limits.body_timeout = options.body_timeout;
    limits.keepalive_timeout = options.keepalive_timeout;
    limits.write_timeout = options.write_timeout;
    return limits;
}

/// From the file the options name, else from systemd's credentials, else none.
std::vector<std::string> find_api_keys(const Options& options) {
    if (!options.api_key_file.empty()) return load_api_keys(options.api_key_file);
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) {
        const auto file = std::filesystem::path(credentials) / "api-keys";
        if (std::filesystem::exists(file)) return load_api_keys(file);
    }
    return {};
}

/// The daemon, wired: loop, engine, API and server, and what signals do to them.
class Daemon {
  public:
    Daemon(const Options& options, const ServedModel& model, std::vector<std::string> keys)
        : options_(options),
          engine_({options.max_queue, options.prefix_cache, options.step_timeout}, metrics_,
                  loop_.make_wake([this] { on_engine(); })),
          api_(loop_, engine_, metrics_, options, model, std::move(keys)),
          server_(loop_, http_limits(options), api_.handler()) {}

    std::string listen();
    void log_addresses() const;
    int run(const BackendMaker& make_backend);

  private:
    void on_engine();
    void on_ready();
    void on_terminate();
    void on_drain_tick();
    void on_hangup();
    void on_fault();
    void finish(int exit_code);
    [[noreturn]] void leave(int exit_code);

    const Options& options_;
    EventLoop loop_;
    Metrics metrics_;
    Engine engine_;
    Api api_;
    HttpServer server_;
    std::vector<int> inherited_;  // sockets
    std::shared_ptr<EventLoop::Timer> watchdog_, drain_tick_, drain_limit_, stall_tick_,
        fault_tick_;
    bool ready_ = false, draining_ = false, drain_timed_out_ = false;
    uint64_t last_beat_ = 0;
    int n_linger_ticks_ = 0;  // of a drain or after a fault
    int exit_code_ = 0;
};

/// On the configured addresses, or on the sockets that systemd handed over. On those only once
/// ready: clients wait in their queue meanwhile, and a restart refuses nobody.
std::string Daemon::listen() {
    for (const InheritedSocket& socket : inherited_sockets())
        if (socket.name != "metrics") inherited_.push_back(socket.fd);
    if (!inherited_.empty()) return {};
    for (const std::string& address : options_.listen)
        if (auto error = server_.listen(address); !error.empty())
            return fmt::format("cannot listen on {}", error);
    log_addresses();
    return {};
}

void Daemon::log_addresses() const {
    for (const std::string& address : server_.bound_addresses())
        log_notice("listening on {}", address);
}

int Daemon::run(const BackendMaker& make_backend) {
    metrics_.loop_cpu.attach();
    loop_.on_exception([](std::string_view what) { log_error("{}", what); });
    notify_status("Loading");
    engine_.start([&make_backend] { return make_backend(notify_loading); });
    loop_.on_signal(SIGTERM, [this] { on_terminate(); });
    loop_.on_signal(SIGINT, [this] { on_terminate(); });
    loop_.on_signal(SIGHUP, [this] { on_hangup(); });
    if (const double interval = watchdog_interval(); interval > 0)
        watchdog_ = loop_.add_timer(interval, true, [this] {
            const uint64_t beat = engine_.heartbeat();
            if (beat != std::exchange(last_beat_, beat)) notify_watchdog();
        });
    stall_tick_ = loop_.add_timer(std::min(kStallTick, options_.step_timeout / 4), true, [this] {
        if (engine_.state() == EngineState::stalled) on_engine();
    });
    loop_.run();
    return exit_code_;
}

void Daemon::on_engine() {
    if (!ready_ && engine_.state() == EngineState::ready) on_ready();
    api_.on_engine_events();
    const EngineState state = engine_.state();
    if (engine_.refused_to_load()) {
        log_error("cannot start the engine: {}", engine_.failure());
        finish(kExitConfig);
    } else if (state == EngineState::failed || state == EngineState::stalled) {
        on_fault();
    }
}

/// The device is lost, and a new process is the only way to get it back. Clients were told just
/// now; those that come while the answers go out get 503.
void Daemon::on_fault() {
    if (fault_tick_) return;
    log_error("the engine {}: {}; exit {}",
              engine_.state() == EngineState::stalled ? "stalled" : "failed", engine_.failure(),
              kExitFault);
    notify_status(fmt::format("Failed: {}", engine_.failure()));
    n_linger_ticks_ = 0;
    fault_tick_ = loop_.add_timer(kDrainTick, true, [this] {
        if (server_.n_connections() > 0 && n_linger_ticks_++ * kDrainTick < kFaultLinger) return;
        leave(kExitFault);
    });
}

void Daemon::on_ready() {
    ready_ = true;
    for (int fd : inherited_)
        if (auto error = server_.listen_fd(fd); !error.empty()) {
            log_error("cannot listen on an inherited socket: {}", error);
            return finish(kExitConfig);
        }
    if (!inherited_.empty()) log_addresses();
    const BackendInfo info = *engine_.backend_info();
    const uint64_t tokens = uint64_t(info.n_blocks) * uint64_t(info.block_size);
    log_notice("ready in {:.2f} s: {}; weights {} MiB; KV cache {} tokens, {} MiB", process_age(),
               info.device, info.weight_bytes >> 20, tokens,
               (tokens * info.kv_bytes_per_token) >> 20);
    notify_ready();
    notify_status(fmt::format("Serving on {}", info.device));
}

void Daemon::on_terminate() {
    if (draining_) {
        log_notice("second signal: stopping at once");
        leave(0);
    }
    draining_ = true;
    log_notice("draining: {} requests in flight, at most {} s", api_.n_in_flight(),
               options_.drain_timeout);
    notify_stopping();
    server_.stop_accepting();
    api_.start_draining();
    server_.close_idle();
    drain_tick_ = loop_.add_timer(kDrainTick, true, [this] { on_drain_tick(); });
    drain_limit_ = loop_.add_timer(options_.drain_timeout, false, [this] {
        log_warning("drain timeout: ending {} requests", api_.n_in_flight());
        api_.abort_all();
        drain_timed_out_ = true;
    });
}

void Daemon::on_drain_tick() {
    if (api_.n_in_flight() > 0 || fault_tick_) return;
    // Answers are given; what is left is what clients have not taken in yet. The slowest of them
    // have their write timeout, and the drain has its own.
    server_.close_idle();
    if (server_.n_sending() > 0 && !drain_timed_out_) return;
    if (server_.n_connections() > 0 && n_linger_ticks_++ * kDrainTick < kDrainLinger) return;
    log_notice("drained");
    // Requests that took so long may have waited for a step that does not end.
    if (drain_timed_out_) leave(0);
    finish(0);
}

void Daemon::on_hangup() {
    if (ready_) notify_reloading();
    try {
        api_.set_api_keys(find_api_keys(options_));
        log_notice("API keys read again; other options need a restart");
    } catch (const LoadError& error) {
        log_error("{}; the old keys go on", error.what());
    }
    if (ready_) notify_ready();
}

void Daemon::finish(int exit_code) {
    exit_code_ = exit_code;
    watchdog_.reset(), drain_tick_.reset(), drain_limit_.reset();
    stall_tick_.reset(), fault_tick_.reset();
    loop_.stop();
}

/// Ends the process without waiting for the worker, which may be stuck in a step, and without
/// destructors and exit handlers, of which CUDA has its own: on a device that failed they fail or
/// hang. What clients are to read is in the kernel's buffers by now.
void Daemon::leave(int exit_code) {
    server_.stop_accepting();  // removes unix sockets
    _exit(exit_code);
}

}  // namespace

int serve(const Options& options, const ServedModel& model, const BackendMaker& make_backend) {
    std::signal(SIGPIPE, SIG_IGN);  // nor is it a reason to end if nobody reads the log
    LogLevel level;
    if (log_parse_level(options.log_level, level)) log_set_level(level);
    std::vector<std::string> keys = find_api_keys(options);
    if (std::string error = check_options(options, !keys.empty()); !error.empty())
        throw LoadError(error);
    log_notice("qwend {} serving {} from {}", qwend_version(), model.names[0], model.root);
    Daemon daemon(options, model, std::move(keys));
    if (std::string error = daemon.listen(); !error.empty()) throw LoadError(error);
    return daemon.run(make_backend);
}

}  // namespace qwend
