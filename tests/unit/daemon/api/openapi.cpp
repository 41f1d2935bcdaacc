// The description of all routes.

#include "daemon/api/openapi.h"

#include <doctest/doctest.h>

#include "model/json_document.h"

using namespace qwend;

namespace {

std::string render_a(const ApiError&) {
    return "a";
}
std::string render_b(const ApiError&) {
    return "b";
}

std::string described(bool needs_key) {
    const std::vector<Route> routes = {
        {"GET", "/x", render_a, {}, kOpen, {"getX", "What x is", "", "X"}},
        {"POST", "/x", render_b, {}, 0, {"postX", "Another", "NewX", "X", {"text/event-stream"}}},
        {"GET",
         "/y/*",
         render_a,
         {},
         0,
         {.name = "getY", .summary = "One", .answer = "X", .refusal = "X", .path = "/y/{id}"}},
        {"GET", "/silent", render_a, {}},
    };
    const std::vector<DialectDescription> dialects = {{render_a, "A", "AError"},
                                                      {render_b, "B", "BError"}};
    return render_openapi(routes, dialects, std::vector<NamedSchema>{{"X", R"({"const":1})"}},
                          needs_key);
}

std::string part(const std::string& json, std::initializer_list<std::string_view> path) {
    JsonDocument document;
    REQUIRE_FALSE(document.parse(json));
    std::optional<JsonValue> at = document.root();
    for (const std::string_view name : path) {
        at = at->member(name);
        if (!at) return "none";
    }
    return std::string(at->raw());
}

}  // namespace

TEST_CASE("openapi: a path has its operations, and those without a name are left out") {
    const std::string json = described(false);
    CHECK(part(json, {"paths", "/x", "get", "operationId"}) == R"("getX")");
    CHECK(part(json, {"paths", "/x", "get", "tags"}) == R"(["A"])");
    CHECK(part(json, {"paths", "/x", "get", "requestBody"}) == "none");
    CHECK(part(json, {"paths", "/x", "post", "tags"}) == R"(["B"])");
    CHECK(part(json, {"paths", "/silent"}) == "none");
    CHECK(part(json, {"components", "schemas", "X"}) == R"({"const":1})");
}

TEST_CASE("openapi: what goes in, what comes out, and what a refusal looks like") {
    const std::string json = described(false), ref = R"({"$ref":"#/components/schemas/)";
    const auto schema = [&](const char* path, const char* method, const char* status) {
        return part(json, {"paths", path, method, "responses", status, "content",
                           "application/json", "schema"});
    };
    CHECK(part(json, {"paths", "/x", "post", "requestBody", "content", "application/json",
                      "schema"}) == ref + "NewX\"}");
    CHECK(schema("/x", "post", "200") == ref + "X\"}");
    CHECK(schema("/x", "post", "default") == ref + "BError\"}");
    CHECK(schema("/x", "get", "default") == ref + "AError\"}");
    CHECK(schema("/y/{id}", "get", "default") == ref + "X\"}");
    CHECK(part(json, {"paths", "/x", "post", "responses", "200", "content", "text/event-stream"}) !=
          "none");
    CHECK(part(json, {"paths", "/y/{id}", "get", "parameters"}) ==
          R"([{"name":"id","in":"path","required":true,"schema":{"type":"string"}}])");
}

TEST_CASE("openapi: keys are asked for where they are") {
    CHECK(part(described(false), {"paths", "/x", "post", "security"}) == "none");
    CHECK(part(described(true), {"paths", "/x", "post", "security"}) ==
          R"([{"bearer":[]},{"x-api-key":[]}])");
    CHECK(part(described(true), {"paths", "/x", "get", "security"}) == "none");
}
