#include "daemon/api/batches/file_routes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/unit/daemon/api/api_harness.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::string upload(const ServedApi& served, std::string_view content,
                   std::string_view purpose = "batch") {
    const std::string form = fmt::format(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{}\r\n"
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{}\r\n"
        "--b--",
        purpose, content);
    return served.ask("POST", "/v1/files", form,
                      "Content-Type: multipart/form-data; boundary=b\r\n");
}

std::string id_in(const std::string& answer) {
    const size_t at = answer.find("file-");
    return at == std::string::npos ? "" : answer.substr(at, 37);
}

}  // namespace

TEST_CASE("file_routes: a file comes, is listed, goes out as it came, and goes away") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.run([&] {
        std::string content(300 << 10, 'x');
        content += "\r\nend";
        const std::string id = id_in(upload(served, content));
        CHECK(has(served.ask("GET", "/v1/files/" + id), R"("bytes":307205)"));
        CHECK(has(served.ask("GET", "/v1/files"), id));
        CHECK(!has(served.ask("GET", "/v1/files?purpose=batch_output"), id));
        std::string answer = served.ask("GET", "/v1/files/" + id + "/content");
        CHECK(has(answer, "application/octet-stream"));
        CHECK(has(answer, "\r\nend"));
        CHECK(answer.size() > content.size());
        CHECK(!has(served.ask("HEAD", "/v1/files/" + id + "/content"), "xxx"));
        CHECK(has(served.ask("DELETE", "/v1/files/" + id), R"("deleted":true)"));
        CHECK(has(served.ask("GET", "/v1/files/" + id), " 404 "));
        CHECK(has(served.ask("GET", "/v1/files/" + id + "/content"), " 404 "));
        CHECK(has(served.ask("DELETE", "/v1/files/" + id), " 404 "));
    });
}

TEST_CASE("file_routes: what is beyond a bound or no file's name is refused") {
    const TempDir dir;
    ServedApi served;
    served.options.state_directory = dir.path();
    served.options.max_state = 1 << 20;
    served.options.max_file = 600 << 10;
    served.run([&] {
        CHECK(has(upload(served, "{}", "vision"), "purpose: expected"));
        CHECK(has(upload(served, std::string(601 << 10, 'x')), "file_too_large"));
        CHECK(has(upload(served, std::string(700 << 10, 'x')), " 413 "));
        CHECK(has(upload(served, std::string(600 << 10, 'x')), " 200 "));
        CHECK(has(upload(served, std::string(600 << 10, 'x')), "storage_full"));
        CHECK(has(served.post("/v1/files", "{}"), "multipart/form-data"));
        CHECK(has(served.ask("GET", "/v1/files?limit=0"), "limit: expected"));
        for (const char* id : {"..%2F..%2Fetc%2Fpasswd", "../../etc/passwd", "file-", "lock",
                               "file-00000000000000000000000000000000"})
            CHECK(has(served.ask("GET", std::string("/v1/files/") + id + "/content"), " 404 "));
    });
}

TEST_CASE("file_routes: without a folder they say which option is missing") {
    ServedApi served;
    served.run([&] {
        CHECK(has(upload(served, "{}"), "state-directory"));
        CHECK(has(served.ask("GET", "/v1/files"), " 404 "));
        CHECK(has(served.ask("DELETE", "/v1/files/x"), "state-directory"));
    });
}
