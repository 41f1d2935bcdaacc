// Single fields of a request: their ranges, and where each value goes.

#include "daemon/api/anthropic/fields.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/unit/daemon/api/anthropic/parsed.h"

using namespace qwend;

TEST_CASE("anthropic_fields: the ends of a range are in it, what is beyond is refused by name") {
    struct Range {
        std::string name;
        std::vector<std::string> in, out;
    };
    const std::string stop = '"' + std::string(1024, 's') + '"', long_stop = "\"s" + stop.substr(1);
    std::string stops = "[\"0\"";
    for (int i = 1; i < 16; i++) stops += fmt::format(",\"{}\"", i);
    for (const Range& range : std::vector<Range>{
             {"temperature", {"0", "1", "100"}, {"-0.1", "100.1", "\"hot\""}},
             {"top_p", {"0", "1"}, {"-0.1", "1.1"}},
             {"top_k", {"0", "16777216"}, {"-1", "16777217", "1.5"}},
             {"stop_sequences",
              {"[]", "[" + stop + "]", stops + "]"},
              {"\"a\"", "[\"\"]", "[1]", "[" + long_stop + "]", stops + ",\"x\"]"}},
             {"stream", {"true", "false"}, {"1"}},
             {"system", {"\"\"", "\"a\"", "[]"}, {"1", "{}", "[1]"}},
             {"tools", {"[]"}, {"{}", "[1]"}},
             {"tool_choice", {R"({"type":"auto"})", R"({"type":"none"})"}, {"\"auto\"", "{}"}},
             {"output_config",
              {"{}", R"({"effort":"high"})", R"({"effort":"max","format":null})",
               R"({"format":{"type":"json_schema","schema":{}}})"},
              {"1", R"({"format":1})", R"({"format":{"type":"json_schema"}})",
               R"({"format":{"type":"yaml"}})"}},
             {"thinking", {R"({"type":"disabled"})"}, {"7", "\"adaptive\""}},
             {"output_format",
              {R"({"type":"json_schema","schema":{}})"},
              {"1", R"({"type":"json_schema"})", R"({"schema":{}})"}},
             {"mcp_servers", {"[]"}, {R"([{"type":"url"}])"}},
         }) {
        CAPTURE(range.name);
        for (const std::string& value : range.in)
            CHECK(with_fields(fmt::format("\"{}\":{}", range.name, value)).n_unknown_fields == 0);
        for (const std::string& value : range.out) {
            AnthropicRequest q;
            CAPTURE(value);
            const auto error = parse_fields(fmt::format("\"{}\":{}", range.name, value), q);
            REQUIRE(error);
            CHECK(error->status == 400);
            CHECK(error->param.starts_with(range.name));
            CHECK(error->message.starts_with(range.name));
        }
    }
}

TEST_CASE("anthropic_fields: null is the same as absent, whatever the field") {
    for (const auto& [name, field] : messages_fields()) {
        if (name == "model" || name == "messages" || name == "max_tokens") continue;
        CHECK(with_fields(fmt::format("\"{}\":null", name)).n_unknown_fields == 0);
    }
}

TEST_CASE("anthropic_fields: where values go") {
    const AnthropicRequest q = with_fields(
        R"("temperature":0.5,"top_p":0.25,"top_k":7,"stop_sequences":["a","b"],"stream":true)");
    CHECK(q.generation.sampling.temperature == 0.5f);
    CHECK(q.generation.sampling.top_p == 0.25f);
    CHECK(q.generation.sampling.top_k == 7);
    CHECK(q.generation.stops == std::vector<std::string>{"a", "b"});
    CHECK(q.style.stream);
    CHECK_FALSE(q.generation.whole_calls);
    CHECK(with_fields("").generation.whole_calls);
    const float none = with_fields(R"("top_p":0)").generation.sampling.top_p;
    CHECK(none > 0);
    CHECK(none < 1e-6f);
}

TEST_CASE("anthropic_fields: hints of any shape are taken, what nobody knows is counted") {
    for (const char* thinking :
         {R"({"type":"enabled","budget_tokens":1024})", R"({"type":"disabled"})",
          R"({"type":"adaptive","display":"omitted"})", R"({"type":"of tomorrow"})"})
        CHECK(with_fields(fmt::format("\"thinking\":{}", thinking)).n_unknown_fields == 0);
    const auto kwargs = [](const char* type) {
        return with_fields(fmt::format(R"("thinking":{{"type":"{}"}})", type))
            .generation.chat_options.template_kwargs;
    };
    CHECK(kwargs("disabled") == R"({"enable_thinking":false})");
    CHECK(kwargs("enabled").empty());
    CHECK(kwargs("adaptive").empty());
    const AnthropicRequest hints = with_fields(
        R"("metadata":{"user_id":"u"},"cache_control":{"type":"ephemeral"},"container":"c",)"
        R"("service_tier":"auto","betas":["a-2030-01-01"],"context_management":{"edits":[]},)"
        R"("speed":"fast","inference_geo":"eu","diagnostics":{},"user_profile_id":"p",)"
        R"("workspace_id":"w","anthropic_version":"vertex-2023-10-16")");
    CHECK(hints.n_unknown_fields == 0);
    const AnthropicRequest unknown = with_fields(R"("new_in_2030":{"x":1},"max_token":5)");
    CHECK(unknown.n_unknown_fields == 2);
    CHECK(unknown.unknown_fields == std::vector<std::string>{"new_in_2030", "max_token"});
}
