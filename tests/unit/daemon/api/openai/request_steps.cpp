// The steps of reading a body that all kinds of requests take.

#include "daemon/api/openai/request_steps.h"

#include <doctest/doctest.h>

#include "daemon/api/openai/fields.h"

using namespace qwend;

namespace {

const RequestLimits kLimits{8, 1000};

/// What becomes of a field of a request of `scope`: "ok", "unknown", or the parameter it names.
std::string judged(unsigned scope, const std::string& name, std::string_view value) {
    JsonDocument document;
    REQUIRE_FALSE(document.parse(value));
    OpenAiRequest request;
    RequestReader reader(kLimits, request);
    if (!read_field(reader, name, document.root(), scope)) return reader.read.error->param;
    return request.n_unknown_fields ? "unknown" : "ok";
}

}  // namespace

TEST_CASE("openai_request_steps: a field is read where it belongs, and judged elsewhere") {
    for (const unsigned scope : {kChat, kText, kResponses}) {
        CHECK(judged(scope, "temperature", "0.5") == "ok");
        CHECK(judged(scope, "temperature", "-1") == "temperature");
        CHECK(judged(scope, "temperature", "null") == "ok");
        CHECK(judged(scope, "guided_regex", R"("a+")") == "ok");
        CHECK(judged(scope, "user", "\"u\"") == "ok");
        CHECK(judged(scope, "temprature", "1") == "unknown");
    }
    CHECK(judged(kTokenize, "temperature", "0.5") == "unknown");
    CHECK(judged(kResponses, "web_search_options", "{}") == "web_search_options");  // as in chat
    CHECK(judged(kText, "web_search_options", "{}") == "unknown");
}

TEST_CASE("openai_request_steps: the model is known before all else, if it is a name") {
    const auto named = [](std::string_view body) {
        JsonDocument document;
        REQUIRE_FALSE(document.parse(body));
        return named_model(document);
    };
    CHECK(named(R"({"a":1,"model":"m"})") == "m");
    CHECK(named(R"({"model":5})").empty());
    CHECK(named("{}").empty());
}

TEST_CASE("openai_request_steps: min_tokens goes by the length that was asked for, by its name") {
    OpenAiRequest request;
    RequestReader reader(kLimits, request);
    request.generation.sampling.min_tokens = 5;
    CHECK(settle_min_tokens(reader, "max_output_tokens"));
    request.generation.max_tokens = 4;
    CHECK_FALSE(settle_min_tokens(reader, "max_output_tokens"));
    CHECK(reader.read.error->message == "min_tokens: more than max_output_tokens, which is 4");
}
