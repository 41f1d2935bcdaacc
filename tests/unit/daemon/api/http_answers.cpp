#include "daemon/api/http_answers.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

std::string header(int status, const std::string& name) {
    const auto render = [](const ApiError& error) { return error.message; };
    for (auto& [key, value] : error_response({status, "", "", "", "why"}, render).headers)
        if (key == name) return value;
    return "";
}

}  // namespace

TEST_CASE("http_answers: an error says whether to ask again, and when") {
    for (const int status : {429, 503}) CHECK(header(status, "Retry-After") == "1");
    for (const int status : {400, 404, 500}) CHECK(header(status, "Retry-After").empty());
    // Clients of OpenAI's and Anthropic's repeat what has a 5xx, unless they are told not to.
    for (const int status : {501, 505}) CHECK(header(status, "X-Should-Retry") == "false");
    for (const int status : {400, 429, 500, 503}) CHECK(header(status, "X-Should-Retry").empty());
    CHECK(header(401, "WWW-Authenticate") == "Bearer");
}
