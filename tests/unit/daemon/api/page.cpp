#include "daemon/api/page.h"

#include <doctest/doctest.h>

#include <string>

using namespace qwend;

namespace {

HttpRequest asking(Headers headers) {
    HttpRequest request;
    request.headers = std::move(headers);
    return request;
}

std::string header(const HttpResponse& response, const std::string& name) {
    for (auto& [key, value] : response.headers)
        if (key == name) return value;
    return "";
}

}  // namespace

TEST_CASE("page: is whole, and allows its own script and style alone") {
    const HttpResponse page = page_response(asking({}));
    CHECK(page.status == 200);
    CHECK(page.body.starts_with("<!doctype html>\n"));
    CHECK(page.body.ends_with("</script>\n</body>\n</html>\n"));
    for (const char* part : {"<style>\n:root", "WORDS", "class Markdown", "<noscript>"})
        CHECK(page.body.find(part) != std::string::npos);
    const std::string policy = header(page, "Content-Security-Policy");
    for (const char* part :
         {"default-src 'none'; script-src 'sha256-", "frame-ancestors 'none'", "base-uri 'none'",
          "form-action 'none'", "require-trusted-types-for 'script'"})
        CHECK(policy.find(part) != std::string::npos);
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(policy.find("sha256-47DEQpj8") == std::string::npos);  // of nothing
}

TEST_CASE("page: is sent once to a browser that has it, in either form") {
    for (const char* coding : {"", "gzip"}) {
        CAPTURE(coding);
        const HttpResponse page = page_response(asking({{"accept-encoding", coding}}));
        CHECK(header(page, "Content-Encoding") == coding);
        const std::string tag = header(page, "ETag");
        const auto again = [&](const char* other, const std::string& named) {
            return page_response(asking({{"accept-encoding", other}, {"if-none-match", named}}));
        };
        const HttpResponse same = again(coding, tag);
        CHECK(same.status == 304);
        CHECK(same.body.empty());
        CHECK(header(same, "ETag") == tag);
        CHECK(header(same, "Content-Security-Policy") == header(page, "Content-Security-Policy"));
        CHECK(again(coding, "\"other\"").status == 200);
        CHECK(again(*coding ? "" : "gzip", tag).status == 200);  // other bytes
    }
}

TEST_CASE("page: entity tags in a list, weak ones and all") {
    for (const char* list :
         {"\"a\"", "\"b\", \"a\"", "W/\"a\"", " \"b\",\tW/\"a\" ", "*", ",,\"a\""})
        CHECK(names_entity_tag(list, "\"a\""));
    for (const char* list : {"", "a", "\"b\"", "\"a", "w/\"a\"", "\"a\"b", ", ,"})
        CHECK_FALSE(names_entity_tag(list, "\"a\""));
}

TEST_CASE("page: who takes gzip") {
    for (const char* list :
         {"gzip", "br, gzip", "gzip;q=1", "gzip ; q=0.5", "deflate,gzip;q=0.001"})
        CHECK(accepts_gzip(list));
    for (const char* list : {"", "br", "gzip;q=0", "gzip; q=0.000", "xgzip", "identity, *;q=0"})
        CHECK_FALSE(accepts_gzip(list));
}
