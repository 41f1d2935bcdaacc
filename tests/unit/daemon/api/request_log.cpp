#include "daemon/api/request_log.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("request_log: one bounded line whatever the client sent") {
    HttpRequest request;
    request.request_id = "abc";
    request.method = "POST";
    request.path = "/v1/completions";
    request.query = "key=secret";
    request.arrived = 10;
    CHECK(request_line(request, 200, " finish=stop", 10.25) ==
          "abc POST /v1/completions 200 finish=stop total_ms=250.0");
    request.path = "/a b\n<3>forged\x1b[31m\xff";
    CHECK(request_line(request, 404, "", 10) == "abc POST /a?b?<3>forged?[31m? 404 total_ms=0.0");
    request.path = "/" + std::string(100000, 'x');
    CHECK(request_line(request, 404, "", 10).size() < 200);
    CHECK(request_line({}, 400, "", 10) == "- - - 400");
}
