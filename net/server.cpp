#include "net/server.h"

#include <fmt/core.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "net/connection.h"

namespace qwend {

namespace {

constexpr int kBacklog = 1024;
constexpr int kReservedFiles = 64;  // for everything that is not a client

/// Connections that leave files to spare: at EMFILE libuv drops clients without a word.
int connection_cap(int wanted) {
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
    const auto spare = rlim_t(std::max<int64_t>(int64_t(files.rlim_cur) - kReservedFiles, 1));
    return int(std::min<rlim_t>(rlim_t(wanted), spare));
}

std::string describe_address(const sockaddr_storage& address) {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (address.ss_family == AF_UNIX) {
        const auto* unix_address = reinterpret_cast<const sockaddr_un*>(&address);
        return fmt::format("unix:{}", unix_address->sun_path);
    }
    if (getnameinfo(generic, sizeof address, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "?";
    return address.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                         : fmt::format("{}:{}", host, port);
}

/// "host:port" or "[v6]:port" to host and port; false if there is no port.
bool split_address(std::string_view address, std::string& host, std::string& port) {
    const size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) return false;
    port = address.substr(colon + 1);
    host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return !host.empty() && !port.empty() &&
           std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Removes a socket file nobody listens on any more; a message if somebody does, or it is no
/// socket.
std::string clear_stale_socket(const std::string& path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode)) return fmt::format("{} exists and is not a socket", path);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool alive =
        fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (fd >= 0) ::close(fd);
    if (alive) return fmt::format("{}: another process is listening", path);
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
    };

    Impl(EventLoop& event_loop, HttpLimits l, HttpHandler h)
        : loop(event_loop.uv()), limits(l), handler(std::move(h)), context(loop, limits, handler) {
        limits.max_connections = connection_cap(limits.max_connections);
        context.on_closed = [this](Connection* connection) {
            connections.erase(connection);
            resume_accepting();
        };
        // What was written in this turn goes out once, after the turn's events (check) and before
        // the loop sleeps (prepare, for what timers wrote).
        uv_check_init(loop, &check);
        uv_prepare_init(loop, &prepare);
        check.data = prepare.data = this;
        uv_check_start(&check, [](uv_check_t* h) { static_cast<Impl*>(h->data)->flush(); });
        uv_prepare_start(&prepare, [](uv_prepare_t* h) { static_cast<Impl*>(h->data)->flush(); });
        uv_unref(reinterpret_cast<uv_handle_t*>(&check));
        uv_unref(reinterpret_cast<uv_handle_t*>(&prepare));
    }

    void flush() {
        while (!context.dirty.empty()) {
            auto dirty = std::exchange(context.dirty, {});
            for (auto& connection : dirty) connection->flush();
        }
    }

    std::string listen_tcp(const std::string& address);
    std::string listen_unix(const std::string& path);
    std::string begin(Listener* listener, const std::string& what);
    Listener* new_listener(bool is_pipe);
    void drop(Listener* listener);
    void on_connection(Listener* listener);
    void accept(Listener* listener);
    void resume_accepting();

    uv_loop_t* loop;
    HttpLimits limits;
    HttpHandler handler;
    ConnectionContext context;
    uv_check_t check;
    uv_prepare_t prepare;
    std::vector<Listener*> listeners;
    std::vector<Listener*> held_back;  // with a client waiting while all places are taken
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
    // libuv gives handles back in the turn after they were closed.
    while (!impl_->connections.empty()) uv_run(impl_->loop, UV_RUN_NOWAIT);
    uv_run(impl_->loop, UV_RUN_NOWAIT);
}

std::string HttpServer::listen(const std::string& address) {
    constexpr std::string_view kUnix = "unix:";
    return address.starts_with(kUnix) ? impl_->listen_unix(address.substr(kUnix.size()))
                                      : impl_->listen_tcp(address);
}

HttpServer::Impl::Listener* HttpServer::Impl::new_listener(bool is_pipe) {
    auto* listener = new Listener{{}, this, is_pipe};
    if (is_pipe)
        uv_pipe_init(loop, &listener->u.pipe, 0);
    else
        uv_tcp_init(loop, &listener->u.tcp);
    listener->u.handle.data = listener;
    return listener;
}

std::string HttpServer::Impl::listen_tcp(const std::string& address) {
    std::string host, port;
    if (!split_address(address, host, port))
        return fmt::format("\"{}\": expected HOST:PORT, [IPV6]:PORT or unix:/PATH", address);
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    if (const int rc = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); rc != 0)
        return fmt::format("{}: {}", address, gai_strerror(rc));
    Listener* listener = new_listener(false);
    const int rc = uv_tcp_bind(&listener->u.tcp, found->ai_addr, 0);
    freeaddrinfo(found);
    if (rc != 0) {
        drop(listener);
        return fmt::format("{}: {}", address, uv_strerror(rc));
    }
    return begin(listener, address);
}

std::string HttpServer::Impl::listen_unix(const std::string& path) {
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
        return fmt::format("unix:{}: expected a path of 1 to {} bytes", path,
                           sizeof(sockaddr_un::sun_path) - 1);
    if (std::string error = clear_stale_socket(path); !error.empty()) return error;
    Listener* listener = new_listener(true);
    if (const int rc = uv_pipe_bind(&listener->u.pipe, path.c_str()); rc != 0) {
        drop(listener);
        return fmt::format("unix:{}: {}", path, uv_strerror(rc));
    }
    return begin(listener, "unix:" + path);
}

std::string HttpServer::listen_fd(int fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        return fmt::format("inherited descriptor {}: {}", fd, std::strerror(errno));
    const bool is_pipe = address.ss_family == AF_UNIX;
    Impl::Listener* listener = impl_->new_listener(is_pipe);
    const int rc =
        is_pipe ? uv_pipe_open(&listener->u.pipe, fd) : uv_tcp_open(&listener->u.tcp, fd);
    if (rc != 0) {
        impl_->drop(listener);
        return fmt::format("inherited descriptor {}: {}", fd, uv_strerror(rc));
    }
    return impl_->begin(listener, fmt::format("inherited descriptor {}", fd));
}

std::string HttpServer::Impl::begin(Listener* listener, const std::string& what) {
    const int rc = uv_listen(&listener->u.stream, kBacklog, [](uv_stream_t* stream, int status) {
        auto* self = static_cast<Listener*>(stream->data);
        if (status == 0) self->server->on_connection(self);
    });
    if (rc != 0) {
        drop(listener);
        return fmt::format("{}: {}", what, uv_strerror(rc));
    }
    listeners.push_back(listener);
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    int fd = -1;
    if (uv_fileno(&listener->u.handle, &fd) == 0)
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
    bound.push_back(describe_address(address));
    return {};
}

void HttpServer::Impl::drop(Listener* listener) {
    uv_close(&listener->u.handle,
             [](uv_handle_t* handle) { delete static_cast<Listener*>(handle->data); });
}

void HttpServer::Impl::on_connection(Listener* listener) {
    // Not accepting is libuv's way to hold clients back in the kernel's queue.
    if (int(connections.size()) >= limits.max_connections) {
        held_back.push_back(listener);
        return;
    }
    accept(listener);
}

void HttpServer::Impl::accept(Listener* listener) {
    auto connection = std::make_shared<Connection>(context, listener->is_pipe);
    connections.insert(connection.get());
    const int rc = uv_accept(&listener->u.stream, connection->stream());
    connection->start();
    if (rc != 0) connection->close();
}

void HttpServer::Impl::resume_accepting() {
    while (!held_back.empty() && int(connections.size()) < limits.max_connections) {
        Listener* listener = held_back.back();
        held_back.pop_back();
        accept(listener);
    }
}

void HttpServer::stop_accepting() {
    impl_->held_back.clear();
    for (auto* listener : std::exchange(impl_->listeners, {})) impl_->drop(listener);
}

void HttpServer::close_idle() {
    impl_->context.draining = true;
    const std::vector<Connection*> open(impl_->connections.begin(), impl_->connections.end());
    for (Connection* connection : open) connection->close_idle();
}

void HttpServer::close_all() {
    const std::vector<Connection*> open(impl_->connections.begin(), impl_->connections.end());
    for (Connection* connection : open) connection->close();
}

int HttpServer::n_connections() const {
    return int(impl_->connections.size());
}

std::vector<std::string> HttpServer::bound_addresses() const {
    return impl_->bound;
}

}  // namespace qwend
