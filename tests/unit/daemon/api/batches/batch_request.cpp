#include "daemon/api/batches/batch_request.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <utility>

using namespace qwend;

namespace {

std::string body(const std::string& more = "", const std::string& window = "24h") {
    return fmt::format(R"({{"input_file_id":"file-1","endpoint":"/v1/completions",)"
                       R"("completion_window":"{}"{}}})",
                       window, more);
}

std::string param_of(const std::string& text) {
    BatchRecord batch;
    const auto error = read_batch_request(text, batch);
    return error ? error->param : "fine";
}

}  // namespace

TEST_CASE("batch_request: what a client may say") {
    BatchRecord batch;
    CHECK(!read_batch_request(body(R"(,"metadata":{"a": "b"},"output_expires_after":)"
                                   R"({"anchor":"created_at","seconds":3600},"unknown":1)"),
                              batch));
    CHECK(batch.input_file_id == "file-1");
    CHECK(batch.expires_at == 24 * 3600);
    CHECK(batch.metadata == R"({"a":"b"})");
    CHECK(batch.output_lifetime == 3600);
    CHECK(param_of(body(R"(,"metadata":null,"output_expires_after":null)")) == "fine");
    for (const auto& [window, seconds] :
         {std::pair("2s", 2), {"90m", 5400}, {"7d", 604800}, {"30d", 2592000}}) {
        CHECK(!read_batch_request(body("", window), batch));
        CHECK(batch.expires_at == seconds);
    }
}

TEST_CASE("batch_request: what is wrong is named") {
    for (const char* window :
         {"", "24", "h", "0h", "-1h", "31d", "721h", "24 h", "24hh", "99999999999999999999h"})
        CHECK(param_of(body("", window)) == "completion_window");
    CHECK(param_of("{}") == "input_file_id");
    CHECK(param_of(R"({"input_file_id":5})") == "input_file_id");
    CHECK(param_of(R"({"input_file_id":"a","endpoint":"/v1/models"})") == "endpoint");
    CHECK(param_of(R"({"input_file_id":"a","endpoint":"/v1/responses"})") == "completion_window");
    for (const char* metadata : {"[]", R"("a")", R"({"a":1})", R"({"a":null})"})
        CHECK(param_of(body(fmt::format(R"(,"metadata":{})", metadata))) == "metadata");
    std::string many;
    for (int i = 0; i < 17; i++) many += fmt::format("{}\"{}\":\"\"", i ? "," : "", i);
    CHECK(param_of(body(R"(,"metadata":{)" + many + "}")) == "metadata");
    CHECK(param_of(body(R"(,"output_expires_after":{"anchor":"now","seconds":3600})")) ==
          "output_expires_after");
    CHECK(param_of(body(R"(,"output_expires_after":{"anchor":"created_at","seconds":1})")) ==
          "output_expires_after");
    CHECK(param_of("nothing") == "");
}
