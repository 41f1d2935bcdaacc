// Addresses as people write them: what is one, what it means, and whether it can be had.

#include "net/address.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

SocketAddress resolve(const char* text) {
    ListenAddress address;
    std::vector<SocketAddress> found;
    REQUIRE(parse_listen_address(text, address).empty());
    REQUIRE(resolve_address(address, found).empty());
    REQUIRE(!found.empty());
    return found[0];
}

bool is_local(const char* text) {
    return is_local(resolve(text));
}

}  // namespace

TEST_CASE("address: parsed, or told what was expected") {
    ListenAddress a;
    CHECK(parse_listen_address("127.0.0.1:8000", a).empty());
    CHECK((a.host == "127.0.0.1" && a.port == 8000 && !a.is_unix()));
    CHECK(parse_listen_address("[::1]:0", a).empty());
    CHECK((a.host == "::1" && a.port == 0));
    CHECK(parse_listen_address("localhost:65535", a).empty());
    CHECK((a.host == "localhost" && a.port == 65535));
    CHECK(parse_listen_address("unix:/run/q.sock", a).empty());
    CHECK((a.path == "/run/q.sock" && a.is_unix()));
    for (const char* port : {"65536", "99999", "4294967297", "18446744073709551616"})
        CHECK(parse_listen_address("127.0.0.1:" + std::string(port), a).find("65535") !=
              std::string::npos);
    for (const char* bad :
         {"", ":", ":8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1",
          "127.0.0.1:+1", "127.0.0.1: 1", "::1:8000", "[::1]", "[]:1", "[127.0.0.1]:1", "8000",
          "unix:", "http://localhost:1", "a b:1"})
        CHECK_MESSAGE(!parse_listen_address(bad, a).empty(), std::string(bad));
    CHECK_FALSE(parse_listen_address("unix:/" + std::string(200, 'x'), a).empty());
}

TEST_CASE("address: what it means decides whether others can reach it, not how it begins") {
    for (const char* local : {"127.0.0.1:1", "127.255.0.9:1", "[::1]:1", "unix:/x", "localhost:1",
                              "[::ffff:127.0.0.1]:1"})
        CHECK_MESSAGE(is_local(local), local);
    for (const char* open :
         {"0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:192.0.2.1]:1", "[2001:db8::1]:1"})
        CHECK_MESSAGE(!is_local(open), open);
}

TEST_CASE("address: probing tells what is taken, and what can never be had, with the reason") {
    std::string why;
    ListenAddress address;
    REQUIRE(parse_listen_address("127.0.0.1:0", address).empty());
    CHECK(probe_address(address, why) == AddressState::free);
    const int taken = socket(AF_INET, SOCK_STREAM, 0);
    SocketAddress where = resolve("127.0.0.1:0");
    REQUIRE(bind(taken, where.get(), where.length) == 0);
    REQUIRE(listen(taken, 1) == 0);
    REQUIRE(address_of(taken, where));
    REQUIRE(parse_listen_address(describe_address(where), address).empty());
    CHECK(probe_address(address, why) == AddressState::in_use);
    CHECK(why.find("in use") != std::string::npos);
    close(taken);
    CHECK(probe_address(address, why) == AddressState::free);
    REQUIRE(parse_listen_address("192.0.2.1:1", address).empty());  // nobody's (RFC 5737)
    CHECK(probe_address(address, why) == AddressState::unusable);

    TempDir dir;
    REQUIRE(parse_listen_address("unix:" + (dir.path() / "q").string(), address).empty());
    CHECK(probe_address(address, why) == AddressState::free);
    dir.write("q", "a file");
    CHECK(probe_address(address, why) == AddressState::unusable);
    CHECK(why.find("not a socket") != std::string::npos);
    REQUIRE(parse_listen_address("unix:/no/such/folder/q", address).empty());
    CHECK(probe_address(address, why) == AddressState::unusable);
    CHECK(why.find("No such file") != std::string::npos);
}
