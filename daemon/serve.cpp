#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "daemon/api/api.h"
#include "daemon/commands.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/version.h"
#include "model/error.h"
#include "net/server.h"

namespace qwend {

namespace {

constexpr double kDrainTick = 0.02;  // s
constexpr double kDrainLinger = 3;   // s for clients to take their last answer in
constexpr double kFaultLinger = 1;   // s; the same after a fault, where a restart is all that helps
constexpr double kStallTick = 1;     // s; how exactly step_timeout is kept, at most
constexpr double kBusyTick = 0.2;    // s between looks at an address that is taken
constexpr double kBusyPatience = 5;  // s; as long as a predecessor may take to go away

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
    if (!options.state_directory.empty()) {
        limits.max_body = std::max<size_t>(limits.max_body, max_upload(options));
        limits.max_body_memory += max_upload(options);
    }
    limits.max_connections = options.max_connections;
    limits.header_timeout = options.header_timeout;
    limits.body_timeout = options.body_timeout;
    limits.keepalive_timeout = options.keepalive_timeout;
    limits.write_timeout = options.write_timeout;
    return limits;
}

/// The daemon, wired: loop, engine, API and server, and what signals do to them.
class Daemon {
  public:
    Daemon(const Options& options, std::shared_ptr<const ModelText> text, ServicePlan plan)
        : options_(options),
          plan_(std::move(plan)),
          model_(std::make_shared<Model>(
              std::move(text),
              EngineOptions{options.max_queue, options.prefix_cache, options.step_timeout},
              loop_.make_wake([this] { on_engine(); }))),
          models_({model_}),
          api_(loop_, models_, metrics_, options, plan_.keys.keys),
          server_(loop_, http_limits(options), api_.handler()) {}

    void listen();  // throws LoadError
    void listen_patiently(const std::string& address);
    void log_addresses() const;
    int run(const BackendMaker& make_backend);

  private:
    Engine& engine() { return model_->engine; }
    void on_engine();
    void on_ready();
    void on_terminate();
    void on_drain_tick();
    void on_hangup();
    void on_fault();
    void finish(int exit_code);
    [[noreturn]] void leave(int exit_code);

    const Options& options_;
    ServicePlan plan_;
    EventLoop loop_;
    LoopMetrics metrics_;
    const ModelPtr model_;
    const ModelRegistry models_;
    Api api_;
    HttpServer server_;
    std::shared_ptr<EventLoop::Timer> watchdog_, drain_tick_, drain_limit_, stall_tick_,
        fault_tick_;
    bool ready_ = false, draining_ = false, drain_timed_out_ = false;
    uint64_t last_beat_ = 0;
    int n_linger_ticks_ = 0;  // of a drain or after a fault
    int exit_code_ = 0;
};

/// On the configured addresses, or on the sockets that systemd handed over. On those only once
/// ready: clients wait in their queue meanwhile, and a restart refuses nobody.
void Daemon::listen() {
    if (!plan_.sockets.empty()) return;
    for (const ListenAddress& address : plan_.addresses) listen_patiently(address.text);
    log_addresses();
}

/// An address that somebody has is waited for a little: a predecessor may be about to leave it.
void Daemon::listen_patiently(const std::string& address) {
    bool in_use = false;
    for (double waited = 0;; waited += kBusyTick) {
        const std::string error = server_.listen(address, &in_use);
        if (error.empty()) return;
        if (!in_use || waited >= kBusyPatience)
            throw LoadError(fmt::format("cannot listen on {}", error));
        if (waited == 0) {
            log_warning("{}; waiting up to {} s for it", error, kBusyPatience);
            notify_status("Waiting for an address that is in use");
        }
        usleep(useconds_t(kBusyTick * 1e6));
    }
}

void Daemon::log_addresses() const {
    for (const std::string& address : server_.bound_addresses())
        log_notice("listening on {}", address);
}

int Daemon::run(const BackendMaker& make_backend) {
    metrics_.loop_cpu.attach();
    loop_.on_exception([](std::string_view what) { log_error("{}", what); });
    notify_status("Loading");
    loop_.on_signal(SIGTERM, [this] { on_terminate(); });
    loop_.on_signal(SIGINT, [this] { on_terminate(); });
    loop_.on_signal(SIGHUP, [this] { on_hangup(); });
    engine().start([&make_backend] { return make_backend(notify_loading); });
    if (const double interval = watchdog_interval(); interval > 0)
        watchdog_ = loop_.add_timer(interval, true, [this] {
            const uint64_t beat = engine().heartbeat();
            if (beat != std::exchange(last_beat_, beat)) notify_watchdog();
        });
    stall_tick_ = loop_.add_timer(std::min(kStallTick, options_.step_timeout / 4), true, [this] {
        if (engine().state() == EngineState::stalled) on_engine();
    });
    loop_.run();
    return exit_code_;
}

void Daemon::on_engine() {
    if (!ready_ && engine().state() == EngineState::ready) on_ready();
    api_.on_engine_events();
    const EngineState state = engine().state();
    if (engine().refused_to_load()) {
        log_error("cannot start the engine: {}", engine().failure());
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
              engine().state() == EngineState::stalled ? "stalled" : "failed", engine().failure(),
              kExitFault);
    notify_status(fmt::format("Failed: {}", engine().failure()));
    n_linger_ticks_ = 0;
    fault_tick_ = loop_.add_timer(kDrainTick, true, [this] {
        if (server_.n_connections() > 0 && n_linger_ticks_++ * kDrainTick < kFaultLinger) return;
        leave(kExitFault);
    });
}

void Daemon::on_ready() {
    ready_ = true;
    for (const InheritedSocket& socket : plan_.sockets)
        if (auto error = server_.listen_fd(socket.fd); !error.empty()) {
            log_error("cannot listen on an inherited socket: {}", error);
            return finish(kExitConfig);
        }
    if (!plan_.sockets.empty()) log_addresses();
    const BackendInfo info = *engine().backend_info();
    const uint64_t tokens = uint64_t(info.n_blocks) * uint64_t(info.block_size);
    const std::string& quantization = model_->text->quantization;
    log_notice("ready in {:.2f} s: {}; weights {} MiB{}; KV cache {} tokens, {} MiB", process_age(),
               info.device, info.weight_bytes >> 20,
               quantization.empty() ? "" : fmt::format(" ({})", quantization), tokens,
               (tokens * info.kv_bytes_per_token) >> 20);
    notify_ready();
    notify_status(fmt::format("Serving on {}", info.device));
    if (info.vocabulary_masks)
        loop_.offload([model = model_] { model->grammars.prepare(); }, [] {});
}

void Daemon::on_terminate() {
    if (draining_) {
        log_notice("second signal: stopping at once");
        leave(0);
    }
    if (engine().state() == EngineState::loading) {
        // Nobody was promised anything yet, and the worker ends no load before its end.
        log_notice("stopped while loading");
        notify_stopping();
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
        log_warning("drain timeout: ending {} requests; {} answers are unread", api_.n_in_flight(),
                    server_.n_sending());
        api_.abort_all();
        drain_timed_out_ = true;
    });
}

void Daemon::on_drain_tick() {
    if (api_.n_in_flight() > 0 || fault_tick_) return;
    // Answers are given; what is left is what clients have not taken in yet. As long as they do,
    // they have the whole of drain-timeout: who makes no progress for write-timeout is cut off.
    server_.close_idle();
    // A head that was under way when the drain began had as long as the answers took.
    server_.close_half_heads();
    const int n_sending = server_.n_sending();
    if (n_sending > 0 && !drain_timed_out_) return;
    if (server_.n_connections() > 0 && n_linger_ticks_++ * kDrainTick < kDrainLinger) return;
    if (n_sending > 0)
        log_warning("drained, but for {} answers that clients did not take", n_sending);
    else
        log_notice("drained");
    // Requests that took so long may have waited for a step that does not end.
    if (drain_timed_out_) leave(0);
    finish(0);
}

void Daemon::on_hangup() {
    if (ready_) notify_reloading();
    try {
        ApiKeys found = reload_api_keys(options_.api_key_file, plan_.keys);
        const bool same = found.keys == plan_.keys.keys;
        const auto n_keys = found.keys.size();
        plan_.keys = std::move(found);
        if (!same) api_.set_api_keys(plan_.keys.keys);
        log_notice("API keys read again: {} {}, {}; other options need a restart", n_keys,
                   n_keys == 1 ? "key" : "keys", same ? "none changed" : "changed");
        if (same && plan_.keys.is_credential)
            log_notice(
                "{} is systemd's copy, made when the service started: systemctl restart "
                "qwend for what has changed since",
                plan_.keys.file.string());
    } catch (const LoadError& error) {
        log_error("reload: {}; the old keys go on", error.what());
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

int serve(const Options& options, ServicePlan plan, std::shared_ptr<const ModelText> text,
          const BackendMaker& make_backend) {
    std::signal(SIGPIPE, SIG_IGN);  // nor is it a reason to end if nobody reads the log
    log_notice("qwend {} serving {} from {}", qwend_version(), text->names[0], text->root);
    Daemon daemon(options, std::move(text), std::move(plan));
    daemon.listen();
    return daemon.run(make_backend);
}

}  // namespace qwend
