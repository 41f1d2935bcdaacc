// Single fields of a request: what each may be, and what the object repeats of it.

#include "daemon/api/responses/fields.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/responses/parsed.h"

using namespace qwend;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string echo_of(const std::string& members) {
    ResponseRequest request;
    const auto error = parse_response(R"({"input":"x",)" + members + "}", request);
    return error ? error->message : request.style.echo;
}

}  // namespace

TEST_CASE("responses_fields: what is taken") {
    for (const char* field :
         {R"("instructions":"be brief")", R"("store":false)", R"("tools":[])",
          R"("tool_choice":"auto")", R"("tool_choice":"none")", R"("max_tool_calls":3)",
          R"("max_output_tokens":16)", R"("text":{"format":{"type":"text"},"verbosity":"low"})",
          R"("text":{})", R"("text":{"format":{"type":"json_object"}})",
          R"("text":{"format":{"type":"json_schema","name":"n","strict":true,"schema":{}}})",
          R"("response_format":{"type":"json_object"})", R"("regex":"a")",
          R"("guided_regex":"a","text":{"format":{"type":"text"}})",
          R"("structured_outputs":{"choice":["a"]})",
          R"("include":["reasoning.encrypted_content","new.thing"])", R"("top_logprobs":20)",
          R"("truncation":"auto")", R"("truncation":"disabled")", R"("background":false)",
          R"("metadata":{"a":"b"})", R"("reasoning":{"effort":"high"})", R"("user":"u")",
          R"("safety_identifier":"s")", R"("prompt_cache_key":"k")",
          R"("prompt_cache_retention":"24h")", R"("service_tier":"auto")",
          R"("stream":true,"stream_options":{"include_obfuscation":false})",
          R"("context_management":[{"type":"compaction"}])", R"("client_metadata":{"a":"b"})",
          R"("conversation":null,"prompt":null,"previous_response_id":null,"tools":null)",
          // chat's and vLLM's
          R"("temperature":0.5,"top_p":0.5,"top_k":5,"min_p":0.1,"seed":7)",
          R"("presence_penalty":1,"frequency_penalty":1,"repetition_penalty":1.1)",
          R"("logit_bias":{"5":1},"allowed_token_ids":[5],"min_tokens":1)",
          R"("stop":["a"],"stop_token_ids":[3],"ignore_eos":true)",
          R"("parallel_tool_calls":false,"priority":0,"cache_salt":"s")",
          R"("include_stop_str_in_output":true,"skip_special_tokens":false)"}) {
        CAPTURE(field);
        CHECK(judged(field) == "ok");
    }
}

TEST_CASE("responses_fields: what is wrong is named") {
    const std::pair<const char*, const char*> wrong[] = {
        {R"("instructions":["x"])", "instructions"},
        {R"("store":"no")", "store"},
        {R"("tools":{})", "tools"},
        {R"("max_output_tokens":0)", "max_output_tokens"},
        {R"("max_output_tokens":4,"min_tokens":5)", "min_tokens"},
        {R"("text":"x")", "text"},
        {R"("text":{"format":{"type":"json_schema","name":"n"}})", "text.format"},
        {R"("text":{"format":{"type":"json_object"}},"guided_regex":"a")", "guided_regex"},
        {R"("include":"x")", "include"},
        {R"("include":[1])", "include[0]"},
        {R"("top_logprobs":21)", "top_logprobs"},
        {R"("truncation":"left")", "truncation"},
        {R"("metadata":[])", "metadata"},
        {R"("reasoning":"high")", "reasoning"},
        {R"("user":5)", "user"},
        {R"("background":1)", "background"},
        {R"("previous_response_id":5)", "previous_response_id"},
        {R"("temperature":-1)", "temperature"},
        {R"("stop":[""])", "stop[0]"},
    };
    for (const auto& [field, param] : wrong) CHECK(judged(field) == param);
}

TEST_CASE("responses_fields: what would change the answer and is not there is refused by name") {
    const std::pair<const char*, const char*> refused[] = {
        {R"("background":true)", "background*"},
        {R"("conversation":"c")", "conversation*"},
        {R"("prompt":{"id":"p"})", "prompt*"},
        {R"("messages":[])", "messages*"},
        {R"("max_tokens":5)", "max_tokens*"},
        {R"("max_completion_tokens":5)", "max_completion_tokens*"},
        {R"("text":{"format":{"type":"grammar"}})", "text.format.type*"},
        {R"("tool_choice":{"type":"mcp","server_label":"f"})", "tool_choice*"},
        {R"("response_format":{"type":"xml"})", "response_format.type*"},
    };
    for (const auto& [field, param] : refused) CHECK(judged(field) == param);
    CHECK(judged(R"("response_format":{"type":"text"})") == "ok");
}

TEST_CASE("responses_fields: what nobody knows is counted") {
    CHECK(judged(R"("temprature":1)") == "unknown");
    CHECK(judged(R"("n":2)") == "unknown");  // there is one answer to a response
}

TEST_CASE("responses_fields: the object has every field, as it was given or by default") {
    const std::string bare = echo_of(R"("stream":true)");
    CHECK(
        bare ==
        R"(,"background":false,"instructions":null,"max_output_tokens":null,"max_tool_calls":null)"
        R"(,"metadata":{},"previous_response_id":null,"prompt_cache_key":null)"
        R"(,"prompt_cache_retention":null,"reasoning":{"effort":null,"summary":null})"
        R"(,"safety_identifier":null,"service_tier":"default","text":{"format":{"type":"text"}})"
        R"(,"tool_choice":"auto","tools":[],"top_logprobs":0,"truncation":"disabled","user":null)"
        R"(,"temperature":1,"top_p":1,"parallel_tool_calls":true,"store":true)");
    const std::string given = echo_of(
        R"("metadata":{ "a b" : "c\n\" d" },
           "tools":[ {"type": "web_search"} ], "temperature":0.25, "store": false,
           "parallel_tool_calls": false, "max_output_tokens": 32, "user": null)");
    for (const char* part :
         {R"("metadata":{"a b":"c\n\" d"})", R"("tools":[{"type":"web_search"}])",
          R"("temperature":0.25,)", R"("store":false)", R"("parallel_tool_calls":false)",
          R"("max_output_tokens":32,)", R"("user":null)"}) {
        CAPTURE(part);
        CHECK(has(given, part));
    }
    CHECK_FALSE(has(given, "\n"));
}
