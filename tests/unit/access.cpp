#include "daemon/access.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "daemon/keys.h"
#include "model/error.h"
#include "temp_dir.h"

using namespace qwend;

namespace {

HttpRequest with(std::vector<std::pair<std::string, std::string>> headers) {
    HttpRequest request;
    request.headers = std::move(headers);
    return request;
}

}  // namespace

TEST_CASE("access: with keys set, a key and nothing else opens") {
    AccessRules rules;
    rules.api_keys = {"alpha", "beta-2"};
    auto status = [&](const char* name, const char* value) {
        const auto error = check_access(rules, with({{"host", "example.com"}, {name, value}}));
        return error ? error->status : 200;
    };
    CHECK(status("authorization", "Bearer alpha") == 200);
    CHECK(status("authorization", "bearer beta-2") == 200);
    CHECK(status("x-api-key", "alpha") == 200);
    CHECK(status("authorization", "Bearer alph") == 401);
    CHECK(status("authorization", "Bearer alphaa") == 401);
    CHECK(status("authorization", "Basic alpha") == 401);
    CHECK(status("authorization", "Bearer ") == 401);
    CHECK(status("x", "y") == 401);
}

TEST_CASE("access: without keys only names that cannot be rebound are served") {
    AccessRules rules;
    auto status = [&](const char* host, const char* origin) {
        const auto error = check_access(rules, with({{"host", host}, {"origin", origin}}));
        return error ? error->status : 200;
    };
    for (auto host : {"localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "10.0.0.7", ""})
        CHECK(status(host, "") == 200);
    for (auto host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[x]"})
        CHECK(status(host, "") == 403);
    CHECK(status("localhost", "http://localhost:3000") == 200);
    CHECK(status("localhost", "https://evil.example") == 403);
    CHECK(status("localhost", "null") == 403);
    rules.cors_origins = {"https://app.example"};
    CHECK(status("localhost", "https://app.example") == 200);
    CHECK(allowed_origin(rules, with({{"origin", "https://app.example"}})) ==
          "https://app.example");
    CHECK(allowed_origin(rules, with({{"origin", "https://other"}})) == "");
    rules.check_host = false;
    CHECK(status("evil.example", "https://evil.example") == 200);
}

TEST_CASE("keys: a private file with at least one") {
    TempDir dir;
    const auto file = dir.write("keys", "# comment\n\nfirst\nsecond \r\n");
    chmod(file.c_str(), 0600);
    CHECK(load_api_keys(file) == std::vector<std::string>{"first", "second"});
    chmod(file.c_str(), 0640);
    CHECK_THROWS_WITH_AS(load_api_keys(file), doctest::Contains("0640"), LoadError);
    const auto empty = dir.write("empty", "# none\n");
    chmod(empty.c_str(), 0600);
    CHECK_THROWS_WITH_AS(load_api_keys(empty), doctest::Contains("found none"), LoadError);
    CHECK_THROWS_AS(load_api_keys(dir.path() / "missing"), LoadError);
}
