// Which route a request takes.

#include "daemon/api/route.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

std::string render_b(const ApiError&) {
    return "b";
}

RouteMatch find(std::string method, std::string path) {
    static const RouteTable table(std::vector<Route>{
        {"GET", "/a", nullptr, {}, kOpen | kLight},
        {"POST", "/a", nullptr, {}},
        {"POST", "/b", render_b, {}, kGenerates},
        {"GET", "/a/*", nullptr, {}},
    });
    HttpRequest request;
    request.head = method == "HEAD";
    request.method = std::move(method);
    request.path = std::move(path);
    return table.find(request);
}

}  // namespace

TEST_CASE("route: by method and path, and HEAD as GET") {
    REQUIRE(find("GET", "//a/").route);
    CHECK(find("GET", "//a/").route == find("HEAD", "/a").route);
    CHECK(find("GET", "/a").route->is(kOpen));
    CHECK_FALSE(find("GET", "/a").route->is(kGenerates));
    REQUIRE(find("POST", "/a").route);
    CHECK(find("POST", "/a").route->method == "POST");
    REQUIRE(find("GET", "/a/b/c").route);
    CHECK(find("GET", "/a/b/c").route->path == "/a/*");
}

TEST_CASE("route: what there is instead") {
    CHECK(find("PUT", "/a").route == nullptr);
    CHECK(find("PUT", "/a").path_exists);
    CHECK(find("PUT", "/a").light);
    CHECK(find("PUT", "/a").allow == "GET, HEAD, POST");
    CHECK(find("HEAD", "/b").allow == "POST");
    CHECK_FALSE(find("HEAD", "/b").light);
    CHECK(find("POST", "/a/b").allow == "GET, HEAD");
    CHECK((find("GET", "/b").render_error == render_b));  // also where the method is not offered
    CHECK((find("POST", "/b").render_error == render_b));
    CHECK((find("GET", "/nothing").render_error == nullptr));
    for (const char* path : {"/", "", "/ab", "/A", "*"}) {
        CHECK_FALSE(find("GET", path).path_exists);
        CHECK(find("GET", path).route == nullptr);
    }
}
