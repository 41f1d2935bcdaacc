#include "daemon/api/anthropic/error.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <vector>

using namespace qwend;

TEST_CASE("anthropic_error: the whole envelope, whose type goes by the status") {
    ApiError error{404, "not_found_error", "model_not_found", "model", "no \"m\"\n", "id-1"};
    CHECK(render_anthropic_error(error) ==
          R"({"type":"error","error":{"type":"not_found_error","message":"no \"m\"\n"},)"
          R"("request_id":"id-1"})");
    struct Case {
        int status;
        const char* type;
    };
    for (auto& c : std::vector<Case>{{400, "invalid_request_error"},
                                     {401, "authentication_error"},
                                     {403, "permission_error"},
                                     {404, "not_found_error"},
                                     {405, "invalid_request_error"},
                                     {413, "request_too_large"},
                                     {415, "invalid_request_error"},
                                     {422, "invalid_request_error"},
                                     {429, "rate_limit_error"},
                                     {500, "api_error"},
                                     {501, "api_error"},
                                     {503, "overloaded_error"},
                                     {504, "timeout_error"}}) {
        CAPTURE(c.status);
        CHECK(render_anthropic_error({c.status, "server_error", "", "", "why"}) ==
              fmt::format(R"({{"type":"error","error":{{"type":"{}","message":"why"}}}})", c.type));
    }
}
