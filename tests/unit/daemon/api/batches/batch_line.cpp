#include "daemon/api/batches/batch_line.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>

using namespace qwend;

namespace {

std::string code_of(std::string_view text) {
    const auto read = read_batch_line(text, "/v1/completions");
    const auto* error = std::get_if<BatchError>(&read);
    return error ? error->code : "";
}

}  // namespace

TEST_CASE("batch_line: a request with its body as it was written") {
    const auto read = read_batch_line(
        R"( {"custom_id":"a\"b","method":"POST","url":"/v1/completions","body":{ "n": 1.0 }} )",
        "/v1/completions");
    REQUIRE(std::holds_alternative<BatchLine>(read));
    CHECK(std::get<BatchLine>(read).custom_id == "a\"b");
    CHECK(std::get<BatchLine>(read).body == R"({ "n": 1.0 })");
    CHECK(!std::get<BatchLine>(read).streams);
    CHECK(std::get<BatchLine>(read_batch_line(R"({"custom_id":"a","method":"POST",
        "url":"/x","body":{"stream":true}})",
                                              "/x"))
              .streams);
}

TEST_CASE("batch_line: what is wrong has a name") {
    CHECK(code_of("") == "invalid_json_line");
    CHECK(code_of("[1]") == "invalid_json_line");
    CHECK(code_of("{}") == "missing_required_parameter");
    CHECK(code_of(R"({"custom_id":5})") == "invalid_custom_id");
    CHECK(code_of(R"({"custom_id":")" + std::string(513, 'a') + "\"}") == "invalid_custom_id");
    CHECK(code_of(R"({"custom_id":"a","method":"post"})") == "invalid_method");
    CHECK(code_of(R"({"custom_id":"a","method":"POST","url":"/v1/x"})") == "invalid_url");
    CHECK(code_of(R"({"custom_id":"a","method":"POST","url":"/v1/completions","body":[]})") ==
          "invalid_body");
    CHECK(code_of(R"({"custom_id":"a","custom_id":"b"})") == "invalid_json_line");
}

TEST_CASE("batch_line: answers are one line each, and read back") {
    const std::string line = answered_line("a\nb", "batch_req_1", {200, {}, "{\n \"x\": 1\n}"});
    CHECK(line == R"({"id":"batch_req_1","custom_id":"a\nb","response":{"status_code":200,)"
                  R"("request_id":"batch_req_1","body":{"x":1}},"error":null})"
                  "\n");
    CHECK(read_answered_line(line)->custom_id == "a\nb");
    CHECK(read_answered_line(line)->was_made);
    CHECK(answered_line("a", "r", {500, {}, "no JSON"}).find(R"("body":"no JSON")") !=
          std::string::npos);
    const std::string unmade = unmade_line("a", "r", "batch_expired", "late");
    CHECK(unmade == R"({"id":"r","custom_id":"a","response":null,)"
                    R"("error":{"code":"batch_expired","message":"late"}})"
                    "\n");
    CHECK(!read_answered_line(unmade)->was_made);
    for (const char* text : {"", "{", "[]", R"({"custom_id":5})"}) CHECK(!read_answered_line(text));
}
