#include "daemon/api/api_error.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("api_error: what a client sent is repeated in part") {
    const ApiError error = model_not_found(std::string(100'000, 'm'));
    CHECK(error.status == 404);
    CHECK(error.code == "model_not_found");
    CHECK(error.param == "model");
    CHECK(error.message.size() < 200);
    CHECK(bad_request("why", "field").param == "field");
    CHECK(bad_request("why").status == 400);
}
