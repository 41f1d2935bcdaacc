// The response object's first and last part.

#include "daemon/api/responses/object.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("responses_object: it is whole with any output between") {
    ResponseStyle style;
    style.model = "m\"";
    style.echo = R"(,"user":null)";
    const std::string head = response_head("resp_1", style);
    CHECK(head.starts_with(R"({"id":"resp_1","object":"response","created_at":)"));
    CHECK(head.ends_with(R"(,"model":"m\"","user":null,"output":[)"));
    CHECK(response_tail({}, nullptr) ==
          R"(],"status":"in_progress","error":null,"incomplete_details":null,"usage":null})");
}

TEST_CASE("responses_object: why it is incomplete, or failed, in words that clients know") {
    CHECK(response_tail({.status = "incomplete", .incomplete_reason = "max_output_tokens"}, nullptr)
              .find(R"("incomplete_details":{"reason":"max_output_tokens"})") != std::string::npos);
    const auto failed = [](const ApiError& error) {
        return response_tail({.status = "failed", .error = &error}, nullptr);
    };
    const std::pair<ApiError, const char*> errors[] = {
        {{503, "unavailable_error", "draining", "", "m"}, "server_error"},
        {{429, "rate_limit_error", "queue_full", "", "m"}, "rate_limit_exceeded"},
        {{400, "invalid_request_error", "context_length_exceeded", "", "m"},
         "context_length_exceeded"},
    };
    for (const auto& [error, code] : errors)
        CHECK(failed(error).find(std::string(R"("error":{"code":")") + code +
                                 R"(","message":"m"})") != std::string::npos);
}

TEST_CASE("responses_object: usage has both of its details") {
    const Usage usage{
        .prompt_tokens = 10, .completion_tokens = 4, .cached_tokens = 3, .reasoning_tokens = 2};
    CHECK(response_tail({.status = "completed"}, &usage)
              .ends_with(R"("usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":3,)"
                         R"("cache_write_tokens":0},"output_tokens":4,"output_tokens_details":)"
                         R"({"reasoning_tokens":2},"total_tokens":14}})"));
}

TEST_CASE("responses_object: an id is 32 digits, and another each time") {
    const std::string id = make_response_id();
    CHECK(id.size() == 32);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(id != make_response_id());
}
