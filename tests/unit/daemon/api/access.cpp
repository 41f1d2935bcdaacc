#include "daemon/api/access.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "daemon/keys.h"
#include "model/error.h"
#include "tests/unit/temp_dir.h"

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
    const auto both = [&](const char* bearer, const char* key) {
        return bool(check_access(rules, with({{"authorization", bearer}, {"x-api-key", key}})));
    };
    CHECK_FALSE(both("Bearer somebody-else", "alpha"));
    CHECK_FALSE(both("Bearer alpha", "somebody-else"));
    CHECK(both("Bearer alphaa", "alph"));
}

TEST_CASE("access: without keys only names that cannot be rebound are served") {
    AccessRules rules;
    auto status = [&](const std::string& host) {
        const auto error = check_access(rules, with({{"host", host}}));
        return error ? error->status : 200;
    };
    for (auto host : {"localhost", "LOCALHOST", "localhost:8000", "Api.LocalHost:80", "localhost.",
                      "127.0.0.1:1", "[::1]:8000", "[::1]", "[FE80::1]", "10.0.0.7", "10.0.0.7:80",
                      "localhost:", ""}) {
        CAPTURE(host);
        CHECK(status(host) == 200);
    }
    for (auto host : {"evil.example",
                      "localhost.evil.example",
                      "127.0.0.1.evil.example",
                      "[x]",
                      "[::1].evil.example",
                      "[::1]evil.example",
                      "[::1",
                      "::1",
                      "[::1]:80.evil.example",
                      "[::1]:80@evil.example",
                      "127.0.0.1:80.evil.example",
                      "127.0.0.1:x",
                      "localhost:80:80",
                      "localhost@evil.example",
                      "evil.example@localhost",
                      "localhost/evil.example",
                      "evil.example#localhost",
                      ".localhost",
                      "notlocalhost",
                      "xlocalhost:80",
                      "127.1",
                      "0x7f.0.0.1",
                      "2130706433",
                      "localhost evil.example",
                      "localhost,evil.example",
                      ":80",
                      "[127.0.0.1]",
                      "[]",
                      "[::1%25eth0]",
                      "localhost..",
                      "127.0.0.1."}) {
        CAPTURE(host);
        CHECK(status(host) == 403);
    }
    CHECK(check_access(rules, with({{"host", "localhost"}, {"host", "evil.example"}})));
    rules.check_host = false;
    CHECK(status("evil.example") == 200);
}

TEST_CASE("access: without keys only pages of this machine's") {
    AccessRules rules;
    auto status = [&](const std::string& host, const std::string& origin) {
        const auto error = check_access(rules, with({{"host", host}, {"origin", origin}}));
        return error ? error->status : 200;
    };
    for (auto origin : {"", "http://localhost:3000", "HTTP://LocalHost", "https://app.localhost",
                        "http://127.0.0.1:8000", "http://127.8.9.1", "http://[::1]:5173",
                        "http://[::ffff:127.0.0.1]", "https://localhost"}) {
        CAPTURE(origin);
        CHECK(status("localhost:8000", origin) == 200);
    }
    for (auto origin : {"null",
                        "file://",
                        "file:///etc/passwd",
                        "https://evil.example",
                        "http://6.6.6.6",
                        "http://192.168.1.5:8000",
                        "http://[2001:db8::1]",
                        "http://[::1].evil.example",
                        "http://127.0.0.1.evil.example",
                        "http://localhost.evil.example",
                        "http://evil.example:8000",
                        "http://localhost:8000.evil.example",
                        "http://localhost@evil.example",
                        "http://evil.example@localhost",
                        "http://localhost/evil",
                        "http://localhost#evil",
                        "http://localhost?evil",
                        "http://localhost/",
                        "http://localhost evil",
                        "http://",
                        "://localhost",
                        "localhost",
                        "http:localhost",
                        "http://127.1",
                        "http://0x7f000001",
                        "http://0.0.0.0",
                        "http://[::]",
                        "ftp://localhost",
                        "chrome-extension://localhost",
                        "javascript://localhost",
                        "evil.example://localhost",
                        "http://evil.example\thttp://localhost",
                        "http://[::1]:80.evil.example",
                        "http://[::ffff:6.6.6.6]",
                        "http://.localhost"}) {
        CAPTURE(origin);
        CHECK(status("localhost:8000", origin) == 403);
        CHECK(status("127.0.0.1:8000", origin) == 403);
    }
}

TEST_CASE("access: without keys pages of the same host, and those that are named") {
    AccessRules rules;
    auto status = [&](const std::string& host, const std::string& origin) {
        const auto error = check_access(rules, with({{"host", host}, {"origin", origin}}));
        return error ? error->status : 200;
    };
    // A page that this very host served; the port belongs to it.
    CHECK(status("10.0.0.7:8000", "http://10.0.0.7:8000") == 200);
    CHECK(status("10.0.0.7", "https://10.0.0.7") == 200);
    CHECK(status("10.0.0.7:80", "http://10.0.0.7") == 200);
    CHECK(status("10.0.0.7:8000", "http://10.0.0.7:8001") == 403);
    CHECK(status("10.0.0.7", "http://10.0.0.8") == 403);
    CHECK(status("evil.example", "http://evil.example") == 403);
    CHECK(check_access(rules, with({{"host", "localhost"},
                                    {"origin", "http://localhost"},
                                    {"origin", "https://evil.example"}})));
    // Named ones, and a browser that says no more than that another site asks.
    rules.cors_origins = {"https://app.example"};
    CHECK(status("localhost", "https://app.example") == 200);
    CHECK(status("localhost", "https://app.example.evil.example") == 403);
    CHECK(allowed_origin(rules, with({{"origin", "https://app.example"}})) ==
          "https://app.example");
    CHECK(allowed_origin(rules, with({{"origin", "https://other"}})) == "");
    HttpRequest silent = with({{"host", "localhost"}, {"sec-fetch-site", "cross-site"}});
    silent.method = "POST";
    CHECK(check_access(rules, silent));
    silent.method = "GET";  // a link to the page for people
    CHECK_FALSE(check_access(rules, silent));
}

TEST_CASE("access: without keys a proxy's clients on other machines are not served") {
    AccessRules rules;
    auto status = [&](const char* name, const char* value) {
        const auto error = check_access(rules, with({{"host", "localhost"}, {name, value}}));
        return error ? error->status : 200;
    };
    for (auto here : {"127.0.0.1", "::1", "[::1]:5000", "127.0.0.1, 127.0.0.1", "unix:", ""}) {
        CAPTURE(here);
        CHECK(status("x-forwarded-for", here) == 200);
    }
    for (auto there :
         {"10.0.0.9", "10.0.0.9, 127.0.0.1", "127.0.0.1,2001:db8::1", "unknown", "6.6.6.6:80"}) {
        CAPTURE(there);
        CHECK(status("x-forwarded-for", there) == 403);
        CHECK(status("x-real-ip", there) == 403);
    }
    rules.api_keys = {"k"};
    CHECK_FALSE(check_access(
        rules, with({{"x-forwarded-for", "10.0.0.9"}, {"authorization", "Bearer k"}})));
    rules = {};
    rules.check_host = false;
    CHECK(status("x-forwarded-for", "10.0.0.9") == 200);
}

TEST_CASE("access: a preflight is answered with the names it asks for") {
    auto headers = [](const char* asked) {
        return allowed_headers(with({{"access-control-request-headers", asked}}));
    };
    CHECK(headers("") == "authorization, content-type");
    CHECK(headers("authorization,Content-Type,X-Stainless-OS, x-stainless-retry-count") ==
          "authorization, content-type, x-stainless-os, x-stainless-retry-count");
    CHECK(headers("x\r\nset-cookie: a, é, \"b\", *, ,,ok") == "authorization, content-type, *, ok");
    std::string many;
    for (int i = 0; i < 5000; i++) many += "x-" + std::to_string(i) + ",";
    CHECK(headers(many.c_str()).size() < 1000);
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
