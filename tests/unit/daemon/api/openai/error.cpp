#include "daemon/api/openai/error.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("openai_error: all four members, of which two may be null") {
    CHECK(render_openai_error({503, "unavailable_error", "", "", "not \"now\"\n"}) ==
          R"({"error":{"message":"not \"now\"\n","type":"unavailable_error","param":null,)"
          R"("code":null}})");
    CHECK(render_openai_error({400, "invalid_request_error", "too_long", "messages[0]", "why"}) ==
          R"({"error":{"message":"why","type":"invalid_request_error","param":"messages[0]",)"
          R"("code":"too_long"}})");
}
