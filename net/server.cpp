#include "net/server.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "net/address.h"
#include "net/clock.h"
#include "net/connection.h"
#include "net/timer.h"

namespace qwend {

namespace {

constexpr int kBacklog = 1024;
constexpr int kReservedFiles = 64;      // for everything that is not a client
constexpr double kRetrySeconds = 0.05;  // until a client that could not be accepted is tried again
constexpr double kReportSeconds = 1;    // at least, between reports of failed accepts

/// Connections that leave files to spare: at EMFILE libuv drops clients without a word.
int connection_cap(int wanted, int reserved) {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
    const auto spare =
        rlim_t(std::max<int64_t>(int64_t(files.rlim_cur) - kReservedFiles - reserved, 1));
    return int(std::min<rlim_t>(rlim_t(wanted), spare));
}

/// Removes a socket file nobody listens on any more; a message if somebody does, or it is no
/// socket.
std::string clear_stale_socket(const std::string& path, bool& in_use) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) return fmt::format("{} exists and is not a socket", path);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return fmt::format("{}: {}", path, std::strerror(errno));
    const int rc = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int error = rc == 0 ? 0 : errno;
    ::close(fd);
    in_use = error == 0 || error == EAGAIN;  // EAGAIN: so many wait that no more can
    if (in_use) return fmt::format("{}: another process is listening", path);
    if (error != ECONNREFUSED) return fmt::format("{}: {}", path, std::strerror(error));
    ::unlink(path.c_str());
    return {};
}

}  // namespace

struct HttpServer::Impl {
    struct Listener {
        union {
            uv_handle_t handle;
            uv_stream_t stream;
            uv_tcp_t tcp;
            uv_pipe_t pipe;
        } u;
        Impl* server;
        bool is_pipe;
        bool has_waiting;  // a client that could not be accepted yet
    };

    Impl(EventLoop& event_loop, HttpLimits l, HttpHandler h)
        : loop(event_loop.uv()), limits(l), handler(std::move(h)), context(loop, limits, handler) {
        limits.max_connections =
            connection_cap(limits.max_connections, limits.reserved_connections);
        context.on_closed = [this](Connection* connection) {
            connections.erase(connection);
            resume_accepting();
        };
        context.resume_later = [this](std::shared_ptr<Connection> connection) {
            later.push_back(std::move(connection));
            uv_idle_start(&idle, [](uv_idle_t* h) { static_cast<Impl*>(h->data)->resume(); });
        };
        // What was written in this turn goes out once, after the turn's events (check) and before
        // the loop sleeps (prepare, for what timers wrote).
        uv_check_init(loop, &check);
        uv_prepare_init(loop, &prepare);
        uv_idle_init(loop, &idle);
        uv_timer_init(loop, &retry);
        check.data = prepare.data = idle.data = retry.data = this;
        uv_check_start(&check, [](uv_check_t* h) { static_cast<Impl*>(h->data)->flush(); });
        uv_prepare_start(&prepare, [](uv_prepare_t* h) {
            auto* server = static_cast<Impl*>(h->data);
            server->flush();
            server->context.n_turns++;
        });
        uv_unref(reinterpret_cast<uv_handle_t*>(&check));
        uv_unref(reinterpret_cast<uv_handle_t*>(&prepare));
    }

    void flush() {
        while (!context.dirty.empty()) {
            auto dirty = std::exchange(context.dirty, {});
            for (auto& connection : dirty) connection->flush();
        }
        while (context.n_unsent > limits.max_write_memory && cut_slowest()) {
        }
    }

    /// The clients that have had their share of a turn.
    void resume() {
        uv_idle_stop(&idle);
        for (auto& connection : std::exchange(later, {})) connection->resume();
    }

    std::string listen_tcp(const ListenAddress& address, bool& in_use);
    int listen_at(const sockaddr* address);
    std::string listen_unix(const std::string& path, bool& in_use);
    int begin(Listener* listener);
    Listener* new_listener(bool is_pipe);
    void drop(Listener* listener);
    enum class Place { table, reserve, none };
    bool cut_slowest();
    void report_rarely(const std::string& what);
    void on_connection(Listener* listener, int status);
    Place find_place();
    bool close_longest_idle(bool reserved);
    void accept(Listener* listener);
    void make_connection(Listener* listener, bool reserved);
    void resume_accepting();

    uv_loop_t* loop;
    HttpLimits limits;
    HttpHandler handler;
    ConnectionContext context;
    uv_check_t check;
    uv_prepare_t prepare;
    uv_idle_t idle;
    uv_timer_t retry;
    double reported = 0;  // when something was said last
    std::vector<std::shared_ptr<Connection>> later;
    std::vector<Listener*> listeners;
    std::unordered_set<Connection*> connections;
    std::vector<std::string> bound;
};

HttpServer::HttpServer(EventLoop& loop, HttpLimits limits, HttpHandler handler)
    : impl_(new Impl(loop, limits, std::move(handler))) {}

HttpServer::~HttpServer() {
    stop_accepting();
    close_all();
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->check), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->prepare), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->idle), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&impl_->retry), nullptr);
    impl_->later.clear();
    // libuv gives handles back in the turn after they were closed.
    while (!impl_->connections.empty()) uv_run(impl_->loop, UV_RUN_NOWAIT);
    uv_run(impl_->loop, UV_RUN_NOWAIT);
}

std::string HttpServer::listen(const std::string& address, bool* in_use) {
    bool taken = false;
    ListenAddress parsed;
    std::string error = parse_listen_address(address, parsed);
    if (error.empty())
        error = parsed.is_unix() ? impl_->listen_unix(parsed.path, taken)
                                 : impl_->listen_tcp(parsed, taken);
    if (in_use) *in_use = taken;
    return error;
}

HttpServer::Impl::Listener* HttpServer::Impl::new_listener(bool is_pipe) {
    auto* listener = new Listener{{}, this, is_pipe, false};
    if (is_pipe)
        uv_pipe_init(loop, &listener->u.pipe, 0);
    else
        uv_tcp_init(loop, &listener->u.tcp);
    listener->u.handle.data = listener;
    return listener;
}

std::string HttpServer::Impl::listen_tcp(const ListenAddress& address, bool& in_use) {
    std::vector<SocketAddress> found;
    if (std::string error = resolve_address(address, found); !error.empty()) return error;
    const size_t n_before = listeners.size();
    int failed = 0;
    for (const SocketAddress& each : found) {
        if (const int error = listen_at(each.get()); error != 0) failed = error;
        in_use = failed == UV_EADDRINUSE;
        if (in_use) break;
    }
    // A name may have addresses that this machine has not, IPv6 above all; one is enough.
    if (!in_use && listeners.size() > n_before) return {};
    for (; listeners.size() > n_before; listeners.pop_back(), bound.pop_back())
        drop(listeners.back());
    return fmt::format("{}: {}", address.text, uv_strerror(failed));
}

int HttpServer::Impl::listen_at(const sockaddr* address) {
    Listener* listener = new_listener(false);
    const int error = uv_tcp_bind(&listener->u.tcp, address, 0);
    if (error == 0) return begin(listener);
    drop(listener);
    return error;
}

std::string HttpServer::Impl::listen_unix(const std::string& path, bool& in_use) {
    if (std::string error = clear_stale_socket(path, in_use); !error.empty()) return error;
    Listener* listener = new_listener(true);
    int error = uv_pipe_bind(&listener->u.pipe, path.c_str());
    // For the owner and the group, whatever the umask: a proxy in front runs as somebody else.
    if (error == 0 && chmod(path.c_str(), 0660) != 0) error = uv_translate_sys_error(errno);
    if (error == 0)
        error = begin(listener);
    else
        drop(listener);
    return error == 0 ? std::string() : fmt::format("unix:{}: {}", path, uv_strerror(error));
}

std::string HttpServer::listen_fd(int fd) {
    SocketAddress address;
    if (!address_of(fd, address))
        return fmt::format("inherited descriptor {}: {}", fd, std::strerror(errno));
    const bool is_pipe = address.storage.ss_family == AF_UNIX;
    Impl::Listener* listener = impl_->new_listener(is_pipe);
    int error = is_pipe ? uv_pipe_open(&listener->u.pipe, fd) : uv_tcp_open(&listener->u.tcp, fd);
    if (error == 0)
        error = impl_->begin(listener);
    else
        impl_->drop(listener);
    if (error == 0) return {};
    return fmt::format("inherited descriptor {}: {}", fd, uv_strerror(error));
}

/// libuv's error, or 0. The listener is the server's, or gone.
int HttpServer::Impl::begin(Listener* listener) {
    const int error = uv_listen(&listener->u.stream, kBacklog, [](uv_stream_t* stream, int status) {
        auto* self = static_cast<Listener*>(stream->data);
        self->server->on_connection(self, status);
    });
    if (error != 0) {
        drop(listener);
        return error;
    }
    listeners.push_back(listener);
    SocketAddress address;
    int fd = -1;
    if (uv_fileno(&listener->u.handle, &fd) == 0) address_of(fd, address);
    bound.push_back(describe_address(address));
    return 0;
}

void HttpServer::Impl::drop(Listener* listener) {
    uv_close(&listener->u.handle,
             [](uv_handle_t* handle) { delete static_cast<Listener*>(handle->data); });
}

void HttpServer::Impl::on_connection(Listener* listener, int status) {
    if (status == 0) return accept(listener);
    guarded(handler.report, "a report",
            [&] { report_rarely(fmt::format("cannot accept a client: {}", uv_strerror(status))); });
}

/// What clients can bring about as often as they like.
void HttpServer::Impl::report_rarely(const std::string& what) {
    const double now = steady_seconds();
    if (now - reported < kReportSeconds || !handler.report) return;
    reported = now;
    handler.report(what);
}

bool HttpServer::Impl::cut_slowest() {
    Connection* slowest = nullptr;
    for (Connection* connection : connections) {
        if (connection->slow_since() < 0) continue;
        if (!slowest || connection->slow_since() < slowest->slow_since()) slowest = connection;
    }
    if (!slowest) return false;
    guarded(handler.report, "a report", [&] {
        report_rarely(fmt::format("answers that are not read take {} MiB: cutting off the slowest",
                                  context.n_unsent >> 20));
    });
    slowest->cut();
    return true;
}

/// A full table first gives up the client that has been idle the longest.
HttpServer::Impl::Place HttpServer::Impl::find_place() {
    if (context.n_open - context.n_reserved < limits.max_connections || close_longest_idle(false))
        return Place::table;
    if (context.n_reserved < limits.reserved_connections || close_longest_idle(true))
        return Place::reserve;
    return Place::none;
}

bool HttpServer::Impl::close_longest_idle(bool reserved) {
    Connection* longest = nullptr;
    for (Connection* connection : connections) {
        if (connection->reserved() != reserved || connection->idle_since() < 0) continue;
        if (!longest || connection->idle_since() < longest->idle_since()) longest = connection;
    }
    if (longest) longest->close();
    return longest != nullptr;
}

/// Not accepting is libuv's way to hold clients back in the kernel's queue.
void HttpServer::Impl::accept(Listener* listener) {
    const Place place = find_place();
    listener->has_waiting = place == Place::none ||
                            !guarded(handler.report, "accepting a client",
                                     [&] { make_connection(listener, place == Place::reserve); });
    if (!listener->has_waiting) return;
    start_timer(&retry, kRetrySeconds, false,
                [](uv_timer_t* timer) { static_cast<Impl*>(timer->data)->resume_accepting(); });
}

void HttpServer::Impl::make_connection(Listener* listener, bool reserved) {
    connections.reserve(connections.size() + 1);
    auto connection = std::make_shared<Connection>(context, listener->is_pipe, reserved);
    const int rc = uv_accept(&listener->u.stream, connection->stream());
    connection->start();  // it belongs to the loop now
    if (rc != 0) connection->close();
    if (!guarded(handler.report, "accepting a client",
                 [&] { connections.insert(connection.get()); }))
        connection->close();
}

void HttpServer::Impl::resume_accepting() {
    for (Listener* listener : listeners)
        if (listener->has_waiting) accept(listener);
}

void HttpServer::stop_accepting() {
    for (auto* listener : std::exchange(impl_->listeners, {})) impl_->drop(listener);
}

void HttpServer::close_idle() {
    impl_->context.draining = true;
    const std::vector<Connection*> open(impl_->connections.begin(), impl_->connections.end());
    for (Connection* connection : open) connection->close_idle();
}

void HttpServer::close_half_heads() {
    const std::vector<Connection*> open(impl_->connections.begin(), impl_->connections.end());
    for (Connection* connection : open) connection->close_half_head();
}

void HttpServer::close_all() {
    const std::vector<Connection*> open(impl_->connections.begin(), impl_->connections.end());
    for (Connection* connection : open) connection->close();
}

int HttpServer::n_connections() const {
    return int(impl_->connections.size());
}

int HttpServer::n_sending() const {
    return int(std::count_if(impl_->connections.begin(), impl_->connections.end(),
                             [](const Connection* each) { return each->is_sending(); }));
}

std::vector<std::string> HttpServer::bound_addresses() const {
    return impl_->bound;
}

}  // namespace qwend
