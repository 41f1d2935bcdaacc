// Fields of other servers: taken where they ask for nothing, refused by name where they would
// change the answer, and never ignored in silence.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/api/openai/request.h"
#include "daemon/api/unknown_fields.h"
#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

constexpr RequestLimits kLimits{8, 1000};

/// "ok", "unknown", or the field that an error names.
std::string chat(const std::string& field) {
    OpenAiRequest q;
    const auto error = parse_chat_request(
        R"({"messages":[{"role":"user","content":"x"}],)" + field + "}", {}, kLimits, q);
    if (error) return error->code == "unsupported_parameter" ? error->param : error->message;
    return q.n_unknown_fields ? "unknown" : "ok";
}

std::string text(const std::string& field) {
    OpenAiRequest q;
    const auto error = parse_completion_request(R"({"prompt":"x",)" + field + "}", {}, kLimits, q);
    if (error) return error->code == "unsupported_parameter" ? error->param : error->message;
    return q.n_unknown_fields ? "unknown" : "ok";
}

void check_refused(const std::vector<std::pair<std::string, std::string>>& fields) {
    for (const auto& [name, value] : fields) {
        CAPTURE(name);
        CAPTURE(value);
        CHECK(chat(fmt::format("\"{}\":{}", name, value)) == name);
    }
}

}  // namespace

TEST_CASE("openai_other_fields: values that ask for nothing are taken") {
    for (auto field : {R"("functions":[])",
                       R"("function_call":"none")",
                       R"("function_call":"auto")",
                       R"("modalities":["text"])",
                       R"("chat_template_kwargs":{})",
                       R"("bad_words":[])",
                       R"("documents":[])",
                       R"("response_format":{"type":"text"})",
                       R"("response_format":{"type":"text","json_schema":null})",
                       R"("structured_outputs":{})",
                       R"("structured_outputs":{"json":null,"regex":null})",
                       R"("prompt_logprobs":null)",
                       R"("logit_bias":{})",
                       R"("logit_bias":[])",
                       R"("stop":[])",
                       R"("stop":null)",
                       R"("tools":[])",
                       R"("tool_choice":"none")",
                       R"("tool_choice":"auto")",
                       R"("n":1)",
                       R"("use_beam_search":false)",
                       R"("length_penalty":1.0)",
                       R"("length_penalty":1)",
                       R"("audio":null)",
                       R"("truncation_side":"left")",
                       R"("web_search_options":null)",
                       R"("kv_transfer_params":null)",
                       R"("logprobs":false,"top_logprobs":0)",
                       R"("stream_options":{"include_usage":null})",
                       R"("stream_options":{})",
                       R"("stream_options":null)",
                       R"("best_of":1)",
                       R"("grammar":"")",
                       R"("regex":"")",
                       R"("guided_choice":[])",
                       R"("json_schema":"")",
                       R"("repeat_penalty":1)",
                       R"("mirostat":0)",
                       R"("typical_p":1.0)",
                       R"("priority":0)",
                       R"("parallel_tool_calls":true)",
                       R"("options":{})",
                       R"("format":"")",
                       R"("raw":false)",
                       R"("images":[])",
                       R"("think":false)",
                       R"("chat_template_kwargs":[])",
                       R"("chat_template_kwargs":{"enable_thinking":false})",
                       R"("echo":false)",
                       R"("stop_token_ids":[])",
                       R"("allowed_token_ids":[])",
                       R"("min_tokens":0)"}) {
        CAPTURE(field);
        CHECK(chat(field) == "ok");
    }
}

TEST_CASE("openai_other_fields: and so they are beside a text") {
    for (auto field : {R"("suffix":"")", R"("best_of":1)", R"("n":2,"best_of":2)",
                       R"("echo":false)", R"("logprobs":null)", R"("logprobs":false)",
                       R"("use_beam_search":false)", R"("n_predict":-1)"}) {
        CAPTURE(field);
        CHECK(text(field) == "ok");
    }
}

TEST_CASE("openai_other_fields: hints are taken") {
    for (auto field :
         {R"("prediction":{"type":"content","content":"x"})", R"("store":true)",
          R"("metadata":{"a":"b"})", R"("service_tier":"flex")", R"("user":"u")",
          R"("safety_identifier":"s")", R"("prompt_cache_key":"k")", R"("reasoning_effort":"high")",
          R"("chat_template_kwargs":{"enable_thinking":true})",
          R"("chat_template_kwargs":{"thinking":true})", R"("enable_thinking":true)",
          R"("verbosity":"low")", R"("keep_alive":"5m")", R"("cache_prompt":true)",
          R"("tools":[{"type":"function","function":{"name":"f","strict":true}}])"}) {
        CAPTURE(field);
        CHECK(chat(field) == "ok");
    }
}

TEST_CASE("openai_other_fields: what would change the answer is refused by name") {
    check_refused({
        {"stop_regex", "\"a\""},
        {"format", "\"json\""},
        {"format", "{}"},
        {"grammar_lazy", "true"},
        {"grammar_triggers", R"([{"type":0,"value":"x"}])"},
        {"use_beam_search", "true"},
        {"length_penalty", "0.5"},
        {"logprob_token_ids", "[1]"},
        {"truncation_side", "\"right\""},
        {"repetition_detection", R"({"max_pattern_size":3})"},
        {"kv_transfer_params", R"({"do_remote_decode":true})"},
        {"web_search_options", "{}"},
        {"functions", "[{\"name\":\"f\"}]"},
        {"function_call", "{\"name\":\"f\"}"},
        {"modalities", R"(["text","audio"])"},
        {"audio", R"({"voice":"x"})"},
        {"chat_template", "\"x\""},
        {"best_of", "3"},
        {"priority", "-5"},
    });
    CHECK(text(R"("input_suffix":"x")") == "input_suffix");
    CHECK(text(R"("documents":[{"text":"x"}])") == "documents");
    CHECK(text(R"("stop_regex":"x")") == "stop_regex");
    OpenAiRequest q;
    CHECK(parse_tokenize_request(R"({"prompt":"x","chat_template":"t"})", kLimits, q)->param ==
          "chat_template");
}

TEST_CASE("openai_other_fields: what would change the answer at other servers is refused by name") {
    check_refused({
        {"repeat_penalty", "1.1"},
        {"mirostat", "2"},
        {"min_keep", "3"},
        {"xtc_probability", "0.5"},
        {"dry_multiplier", "0.8"},
        {"samplers", "[\"top_k\"]"},
        {"options", R"({"temperature":0})"},
        {"images", "[\"aGk=\"]"},
        {"raw", "true"},
        {"system", "\"Be brief\""},
        {"n_predict", "5"},
        {"lora_path", "\"x\""},
        {"custom_logit_processor", "\"x\""},
        {"return_hidden_states", "true"},
        {"think", "true"},
        {"n_probs", "3"},
        {"tool_choice", R"({"type":"custom","custom":{"name":"f"}})"},
    });
}

TEST_CASE("openai_other_fields: anything else is taken, counted and named once") {
    CHECK(chat(R"("made_up":1)") == "unknown");
    CHECK(chat(R"("temprature":{"a":[1]})") == "unknown");
    OpenAiRequest q;
    std::string fields;
    for (int i = 0; i < 1000; i++) fields += fmt::format(R"("{}{}":1,)", std::string(300, 'k'), i);
    REQUIRE_FALSE(parse_completion_request("{" + fields + R"("prompt":"x"})", {}, kLimits, q));
    CHECK(q.n_unknown_fields == 1000);
    CHECK(q.unknown_fields.size() <= 8);
    CHECK(q.unknown_fields[0].size() < 100);

    UnknownFields seen;
    CHECK(seen.note({"temprature", "a b\n\"é"}) ==
          std::vector<std::string>{"temprature", "a?b????"});
    CHECK(seen.note({"temprature", "other"}) == std::vector<std::string>{"other"});
    CHECK(seen.note({std::string(500, 'x')}).at(0).size() == 64);
    size_t n_logged = 0;
    for (int i = 0; i < 10000; i++) n_logged += seen.note({fmt::to_string(i)}).size();
    CHECK(n_logged < 200);
}
