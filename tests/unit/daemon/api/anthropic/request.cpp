// Bodies of Anthropic's dialect as a whole.

#include "daemon/api/anthropic/request.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/unit/daemon/api/anthropic/parsed.h"

using namespace qwend;

namespace {

const std::string kMessages = R"("messages":[{"role":"user","content":"x"}])";

}  // namespace

TEST_CASE("anthropic: what Claude Code sends is taken") {
    GenerationDefaults defaults;
    defaults.temperature = 0.7f;
    defaults.top_k = 20;
    AnthropicRequest q;
    const auto error = parse_messages(
        R"({"model":"m","max_tokens":32000,"stream":true,"metadata":{"user_id":"u"},)"
        R"("system":[{"type":"text","text":"x-anthropic-billing-header: v=2; cch=00000;"},)"
        R"({"type":"text","text":"You are","cache_control":{"type":"ephemeral","ttl":"1h"}}],)"
        R"("thinking":{"type":"adaptive"},"output_config":{"effort":"high"},)"
        R"("context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},)"
        R"("tools":[{"name":"Bash","description":"d","input_schema":{"type":"object",)"
        R"("properties":{}},"eager_input_streaming":true},{"type":"web_search_20250305",)"
        R"("name":"web_search"}],"messages":[{"role":"user","content":[{"type":"text",)"
        R"("text":"<system-reminder>r</system-reminder>"},{"type":"text","text":"hi",)"
        R"("cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"hook"}]})",
        q, defaults);
    REQUIRE_FALSE(error);
    CHECK(q.n_unknown_fields == 0);
    CHECK(q.style.model == "m");
    CHECK(q.style.stream);
    CHECK(q.style.max_tokens == 32000);
    CHECK(q.generation.max_tokens == 32000);
    CHECK(q.generation.clips_max_tokens);  // a small model's context holds less
    CHECK(q.generation.sampling.temperature == 0.7f);
    CHECK(q.generation.sampling.top_k == 20);
    CHECK(q.generation.chat_options.tools.size() == 1);
    REQUIRE(q.generation.messages.size() == 3);
    CHECK(q.generation.messages[0].content == "You are");
    CHECK(q.generation.messages[2].role == "system");
    CHECK(q.generation.prompt_field == "messages");
}

TEST_CASE("anthropic: max_tokens is a must, but to count") {
    const auto defaults_of = [](std::string_view) {
        static const GenerationDefaults none;
        return &none;
    };
    for (const char* value : {"0", "-1", "1.5", "\"9\"", "16777217", "null"}) {
        AnthropicRequest q;
        const std::string body =
            fmt::format(R"({{"model":"m","max_tokens":{},{}}})", value, kMessages);
        CHECK(param_of(parse_messages(body, q)) == "max_tokens");
    }
    AnthropicRequest absent, counted;
    CHECK(param_of(parse_messages("{" + kMessages + "}", absent)) == "max_tokens");
    CHECK_FALSE(parse_count_request("{" + kMessages + "}", defaults_of, counted));
    CHECK(counted.generation.messages.size() == 1);
}

TEST_CASE("anthropic: a model that is not served, and none") {
    AnthropicRequest q, none;
    const auto error = parse_messages(R"({"model":"other","max_tokens":1,)" + kMessages + "}", q);
    REQUIRE(error);
    CHECK(error->status == 404);
    CHECK(error->code == "model_not_found");
    CHECK_FALSE(parse_messages(R"({"max_tokens":1,)" + kMessages + "}", none));
    CHECK(none.style.model.empty());
    AnthropicRequest number;
    CHECK(param_of(parse_messages(R"({"model":5,"max_tokens":1,)" + kMessages + "}", number)) ==
          "model");
}

TEST_CASE("anthropic: a body that is no object") {
    for (const char* body : {"", "[]", "{", R"({"a":1,"a":2})", "\x1F\x8B"}) {
        AnthropicRequest q;
        const auto error = parse_messages(body, q);
        REQUIRE(error);
        CHECK(error->status == 400);
    }
    AnthropicRequest q;
    CHECK(param_of(parse_messages("{}", q)) == "messages");
}
