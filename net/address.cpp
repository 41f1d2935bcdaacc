#include "net/address.h"

#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace qwend {

namespace {

constexpr int kMaxPort = 65535;
constexpr size_t kMaxPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kMaxHost = 253;  // RFC 1035, 2.3.4, without the dots that stand for lengths

/// A socket that is closed again.
class Probe {
  public:
    explicit Probe(int family) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
    ~Probe() {
        if (fd_ >= 0) close(fd_);
    }
    Probe(const Probe&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

AddressState probe_unix(const ListenAddress& address, const SocketAddress& where,
                        std::string& why) {
    struct stat status {};
    if (lstat(address.path.c_str(), &status) == 0) {
        if (!S_ISSOCK(status.st_mode)) {
            why = fmt::format("{} exists and is not a socket", address.path);
            return AddressState::unusable;
        }
        const Probe probe(AF_UNIX);
        if (connect(probe.get(), where.get(), where.length) == 0) {
            why = fmt::format("{}: another process is listening", address.text);
            return AddressState::in_use;
        }
    }
    const size_t slash = address.path.rfind('/');
    const std::string folder = slash == std::string::npos ? "."
                               : slash == 0               ? "/"
                                                          : address.path.substr(0, slash);
    if (stat(folder.c_str(), &status) != 0)
        why = fmt::format("{}: the folder {}: {}", address.text, folder, std::strerror(errno));
    else if (access(folder.c_str(), W_OK | X_OK) != 0)
        why = fmt::format("{}: cannot write to {}: {}", address.text, folder, std::strerror(errno));
    return why.empty() ? AddressState::free : AddressState::unusable;
}

/// The system's error number; 0 if one could listen there.
int probe_tcp(const SocketAddress& where) {
    const Probe probe(where.storage.ss_family);
    if (probe.get() < 0) return errno;
    const int on = 1;  // as libuv does: what a closed connection left behind is in nobody's way
    setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Two may bind with SO_REUSEADDR, but only one listen.
    const bool is_free =
        bind(probe.get(), where.get(), where.length) == 0 && listen(probe.get(), 1) == 0;
    return is_free ? 0 : errno;
}

}  // namespace

std::string parse_listen_address(std::string_view text, ListenAddress& out) {
    constexpr std::string_view kUnix = "unix:";
    out = {};
    out.text = text;
    if (text.starts_with(kUnix)) {
        out.path = text.substr(kUnix.size());
        if (out.path.empty() || out.path.size() > kMaxPath)
            return fmt::format("expected unix: and a path of 1 to {} bytes, found \"{:.100}\"",
                               kMaxPath, text);
        return {};
    }
    const size_t colon = text.rfind(':');
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const std::string_view port = colon == text.npos ? "" : text.substr(colon + 1);
    const bool has_colon = host.find(':') != host.npos;
    const bool is_odd = host.find_first_of("[] \t") != host.npos;
    if (host.empty() || host.size() > kMaxHost || is_odd || port.empty() ||
        has_colon != bracketed ||
        !std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return fmt::format("expected HOST:PORT, [IPV6]:PORT or unix:/PATH, found \"{:.100}\"",
                           text);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc() || out.port > kMaxPort)
        return fmt::format(
            "expected a port from 1 to {}, or 0 for any that is free, found \"{:.100}\"", kMaxPort,
            text);
    out.host = host;
    return {};
}

std::string resolve_address(const ListenAddress& address, std::vector<SocketAddress>& out) {
    out.clear();
    if (address.is_unix()) {
        auto* local = reinterpret_cast<sockaddr_un*>(&out.emplace_back().storage);
        local->sun_family = AF_UNIX;
        std::strncpy(local->sun_path, address.path.c_str(), kMaxPath);
        out.back().length = sizeof *local;
        return {};
    }
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    const std::string port = std::to_string(address.port);
    if (const int rc = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found); rc != 0)
        return fmt::format("{}: {}", address.text,
                           rc == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(rc));
    for (const addrinfo* each = found; each; each = each->ai_next) {
        std::memcpy(&out.emplace_back().storage, each->ai_addr, each->ai_addrlen);
        out.back().length = each->ai_addrlen;
    }
    freeaddrinfo(found);
    return {};
}

bool is_local(const SocketAddress& address) {
    if (address.storage.ss_family == AF_UNIX) return true;
    if (address.storage.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address.storage.ss_family != AF_INET6) return false;
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

std::string describe_address(const SocketAddress& address) {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (address.storage.ss_family == AF_UNIX) {
        const char* path = reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
        return fmt::format("unix:{}", std::string(path, strnlen(path, kMaxPath + 1)));
    }
    if (getnameinfo(address.get(), sizeof address.storage, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "?";
    return address.storage.ss_family == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                                                 : fmt::format("{}:{}", host, port);
}

bool address_of(int fd, SocketAddress& out) {
    out.length = sizeof out.storage;
    return getsockname(fd, reinterpret_cast<sockaddr*>(&out.storage), &out.length) == 0;
}

AddressState probe_address(const ListenAddress& address, std::string& why) {
    std::vector<SocketAddress> found;
    why = resolve_address(address, found);
    if (!why.empty()) return AddressState::unusable;
    if (address.is_unix()) return probe_unix(address, found[0], why);
    bool is_free = false;
    for (const SocketAddress& each : found) {
        const int error = probe_tcp(each);
        if (error == 0) is_free = true;
        if (error != 0) why = fmt::format("{}: {}", address.text, std::strerror(error));
        if (error == EADDRINUSE) return AddressState::in_use;
    }
    return is_free ? AddressState::free : AddressState::unusable;
}

}  // namespace qwend
