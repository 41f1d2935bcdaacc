#include "daemon/api/batches/upload.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>

using namespace qwend;

namespace {

std::string field(std::string_view name, std::string_view value) {
    return fmt::format("--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", name,
                       value);
}
std::string file(std::string_view name, std::string_view content) {
    return field(fmt::format("file\"; filename=\"{}", name), content);
}
std::string error_of(const std::string& parts, uint64_t most = 100) {
    Upload upload;
    const auto error =
        read_upload("multipart/form-data; boundary=b", parts + "--b--", most, upload);
    return error ? fmt::format("{} {}", error->status, error->message) : "";
}

}  // namespace

TEST_CASE("upload: a file, what it is for and how long it is kept") {
    Upload upload;
    const std::string body = file("../../etc/in.jsonl", "{}\n") + field("purpose", "batch") +
                             field("expires_after[anchor]", "created_at") +
                             field("expires_after[seconds]", "3600") + "--b--";
    CHECK(!read_upload("multipart/form-data; boundary=b", body, 3, upload));
    CHECK(upload.filename == "in.jsonl");
    CHECK(upload.purpose == "batch");
    CHECK(upload.content == "{}\n");
    CHECK(upload.lifetime == 3600);
}

TEST_CASE("upload: what is missing or beyond its bounds is named") {
    const std::string purpose = field("purpose", "batch"), some = file("a", "1");
    CHECK(error_of(some + purpose) == "");
    CHECK(error_of(some).starts_with("400 purpose"));
    CHECK(error_of(purpose).starts_with("400 file"));
    CHECK(error_of(some + some + purpose).starts_with("400 file"));
    CHECK(error_of(some + field("purpose", "fine-tune")).starts_with("400 purpose"));
    CHECK(error_of(file("a", std::string(101, 'x')) + purpose).starts_with("413 file"));
    for (const char* seconds : {"", "x", "3599", "2592001", "3600s", "99999999999999999999"})
        CHECK(error_of(some + purpose + field("expires_after[seconds]", seconds))
                  .starts_with("400 expires_after"));
    CHECK(error_of(some + purpose + field("expires_after[anchor]", "now"))
              .starts_with("400 expires_after"));
    CHECK(error_of("").starts_with("400"));
}
