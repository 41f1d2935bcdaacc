#include "daemon/api/batches/multipart.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/clock.h"

using namespace qwend;

namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=XyZ";

std::string part(std::string_view disposition, std::string_view content) {
    return "--XyZ\r\nContent-Disposition: form-data; " + std::string(disposition) + "\r\n\r\n" +
           std::string(content) + "\r\n";
}

std::vector<FormPart> parts_of(std::string_view body, std::string_view type = kType) {
    const FormParts form = parse_multipart(type, body);
    if (const auto* error = std::get_if<std::string>(&form)) FAIL(*error);
    return std::get<std::vector<FormPart>>(form);
}

std::string error_of(std::string_view body, std::string_view type = kType) {
    const FormParts form = parse_multipart(type, body);
    const auto* error = std::get_if<std::string>(&form);
    return error ? *error : "";
}

}  // namespace

TEST_CASE("multipart: parts as curl and the SDKs write them") {
    const std::string body = "a preamble\r\n" + part("name=\"purpose\"", "batch") +
                             "--XyZ\r\ncontent-type: text/plain\r\nCONTENT-DISPOSITION: "
                             "form-data; name=file; filename=\"a\\\"b;.jsonl\"\r\n\r\n"
                             "{}\r\n--XyY\r\n\r\n" +
                             "\r\n" + part("name=\"empty\"; filename=\"\"", "") + "--XyZ--\r\nend";
    const auto parts = parts_of(body);
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].name == "purpose");
    CHECK(parts[0].content == "batch");
    CHECK(!parts[0].has_filename);
    CHECK(parts[1].name == "file");
    CHECK(parts[1].filename == "a\"b;.jsonl");
    CHECK(parts[1].content == "{}\r\n--XyY\r\n\r\n");
    CHECK(parts[2].has_filename);
    CHECK(parts[2].content == "");
}

TEST_CASE("multipart: a boundary may be quoted, and of any case is the type") {
    CHECK(parts_of("--a b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--a b--",
                   "Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"")[0]
              .content == "1");
    CHECK(parts_of("--XyZ--").empty());
}

TEST_CASE("multipart: what is no form says why") {
    const std::string good = part("name=\"a\"", "1");
    CHECK(error_of("", kType) != "");
    CHECK(error_of(good, "application/json").find("multipart/form-data") != std::string::npos);
    CHECK(error_of(good, "multipart/form-data") != "");
    CHECK(error_of(good, "multipart/form-data; boundary=") != "");
    CHECK(error_of(good, "multipart/form-data; boundary=" + std::string(71, 'a')) != "");
    CHECK(error_of(good, "multipart/form-data; boundary=\"a") != "");
    CHECK(error_of(good) == "the form ends without its boundary");
    CHECK(error_of("--XyZ\r\nContent-Disp") != "");
    CHECK(error_of("--XyZjunk" + good) != "");
    CHECK(error_of(part("filename=\"a\"", "1") + "--XyZ--") == "a part has no name");
    CHECK(error_of("--XyZ\r\n\r\n1\r\n--XyZ--") == "a part has no name");
    CHECK(error_of("--XyZ\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n--XyZ--") !=
          "");
    CHECK(error_of(part("name=\"" + std::string(513, 'a') + "\"", "1") + "--XyZ--") != "");
    CHECK(error_of("--XyZ\r\nX: " + std::string(5000, 'a') + "\r\n\r\n1\r\n--XyZ--") ==
          "a part's headers do not end");
    std::string many;
    for (size_t i = 0; i <= kMaxFormParts; i++) many += good;
    CHECK(error_of(many + "--XyZ--").find("more than 32 parts") != std::string::npos);
}

TEST_CASE("multipart: takes linear time") {
    const std::string boundary(70, '-');
    for (const std::string& unit :
         {std::string("\r\n--") + std::string(69, '-'), std::string("\r\n"), std::string("-"),
          std::string(";name=\"")}) {
        std::string body =
            "--" + boundary + "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        while (body.size() < 8 << 20) body += unit;
        const double began = steady_seconds();
        (void)parse_multipart("multipart/form-data; boundary=" + boundary, body);
        CHECK(steady_seconds() - began < 2);
    }
}
