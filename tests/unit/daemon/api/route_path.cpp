// How a path and a media type are read.

#include "daemon/api/route_path.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("route_path: slashes that say nothing") {
    CHECK(canonical_path("/") == "/");
    CHECK(canonical_path("//") == "/");
    CHECK(canonical_path("//v1///models//") == "/v1/models");
    CHECK(canonical_path("/v1/models/Qwen%2FQwen2.5/") == "/v1/models/Qwen%2FQwen2.5");
    CHECK(canonical_path("*") == "*");
    CHECK(canonical_path("") == "");
}

TEST_CASE("route_path: decoded once, and only to text") {
    CHECK(decode_percent("Qwen%2FQwen2.5-0.5B-Instruct") == "Qwen/Qwen2.5-0.5B-Instruct");
    CHECK(decode_percent("Qwen%2fQ") == "Qwen/Q");
    CHECK(decode_percent("a%252Fb") == "a%2Fb");
    CHECK(decode_percent("%E4%B8%96+%C3%A9") == "世+é");
    CHECK(decode_percent("") == "");
    for (auto bad :
         {"%", "a%2", "%zz", "%-1", "%+1", "a%00b", "%0A", "%7F", "%FF", "%C3", "%ED%A0%80"}) {
        CAPTURE(bad);
        CHECK_FALSE(decode_percent(bad));
    }
}

TEST_CASE("route_path: media types of JSON") {
    for (auto good :
         {"", "application/json", "Application/JSON", "application/json; charset=utf-8",
          "application/json ;charset=\"UTF-8\"", "text/json", "application/vnd.api+json",
          "application/x-www-form-urlencoded", "APPLICATION/PROBLEM+JSON;x=y"}) {
        CAPTURE(good);
        CHECK(is_json_type(good));
    }
    for (auto bad :
         {"text/plain", "application/jsonl", "multipart/form-data; boundary=application/json",
          "text/html+json", "+json", "json", "application/xml"}) {
        CAPTURE(bad);
        CHECK_FALSE(is_json_type(bad));
    }
}

TEST_CASE("route_path: encodings that change nothing") {
    for (auto good : {"identity", "Identity", "IDENTITY"}) CHECK(is_no_encoding(good));
    for (auto bad : {"", "gzip", "identity, gzip", "identit"}) CHECK_FALSE(is_no_encoding(bad));
}
