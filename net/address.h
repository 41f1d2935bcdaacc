#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// Where to listen, as an operator writes it.
struct ListenAddress {
    std::string text;  // as it was written
    std::string host;  // a name or a number, without brackets
    int port = 0;      // 0: any that is free
    std::string path;  // of a unix socket; then there is no host

    bool is_unix() const { return !path.empty(); }
};

/// "127.0.0.1:8000", "[::1]:0", "localhost:8000" or "unix:/path"; an empty string, or what was
/// expected. Asks nobody.
std::string parse_listen_address(std::string_view text, ListenAddress& out);

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

/// All that the address means to the system's resolver, at least one; an empty string, or what was
/// wrong. A name may have several, IPv4 and IPv6.
std::string resolve_address(const ListenAddress& address, std::vector<SocketAddress>& out);

/// Whether only this machine can connect to it: a unix socket, 127.0.0.0/8, ::1.
bool is_local(const SocketAddress& address);
std::string describe_address(const SocketAddress& address);  // "127.0.0.1:8000", "unix:/path"
/// Of a descriptor that listens; false if it is no socket.
bool address_of(int fd, SocketAddress& out);

enum class AddressState { free, in_use, unusable };
/// Whether one could listen there now, by trying; `why` says why not, with the system's reason. Of
/// a name with several addresses one has to be there, and none in use. Leaves nothing behind.
AddressState probe_address(const ListenAddress& address, std::string& why);

}  // namespace qwend
