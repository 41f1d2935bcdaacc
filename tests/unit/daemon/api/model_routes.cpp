// The models that are served, for the clients of every dialect.

#include "daemon/api/model_routes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <ctime>
#include <string>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

/// An RFC 3339 time as seconds since 1970.
std::time_t seconds_of(const std::string& date) {
    std::tm utc{};
    REQUIRE(strptime(date.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc) == date.c_str() + date.size());
    return timegm(&utc);
}

}  // namespace

TEST_CASE("model_routes: a model by any of its names, with the context it really has") {
    ServedApi served;
    served.names = {{"owner/first", "first"}, {"other"}};
    served.run([&] {
        simdjson::dom::parser parser;
        const std::string list = body_of(served.ask("GET", "/v1/models?limit=1000"));
        const auto one = body_of(served.ask("GET", "/v1/models/owner/first"));
        const std::string date(parser.parse(one)["created_at"].get_string().value_unsafe());
        CHECK(seconds_of(date) == demo_text()->created);
        const auto model = [&](const std::string& id, const std::string& root) {
            return fmt::format(R"({{"id":"{0}","object":"model","created":{1},"owned_by":"qwend",)"
                               R"("root":"{2}","max_model_len":1024,"type":"model",)"
                               R"("display_name":"{0}","created_at":"{3}","lifecycle":"active",)"
                               R"("max_input_tokens":1024,"max_tokens":1024}})",
                               id, demo_text()->created, root, date);
        };
        CHECK(one == model("owner/first", "owner/first"));
        CHECK(list == fmt::format(R"({{"object":"list","data":[{},{},{}],"has_more":false,)"
                                  R"("first_id":"owner/first","last_id":"other"}})",
                                  one, model("first", "owner/first"), model("other", "other")));
        for (const char* path : {"/v1/models/owner%2Ffirst", "/v1/models//owner%2ffirst/"})
            CHECK(body_of(served.ask("GET", path)) == one);
        CHECK(body_of(served.ask("GET", "/v1/models/first")) == model("first", "owner/first"));
        for (const char* path : {"/v1/models/owner%252Ffirst", "/v1/models/%", "/v1/models/f"}) {
            const std::string answer = served.ask("GET", path);
            CHECK(answer.find("404 Not Found") != std::string::npos);
            CHECK(answer.find(R"("param":"model","code":"model_not_found")") != std::string::npos);
        }
    });
}
