// Single fields of a request: their ranges, and where each value goes.

#include "daemon/api/openai/fields.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>

#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

constexpr RequestLimits kLimits{8, 1000};

std::optional<ApiError> parse_chat(const std::string& fields, OpenAiRequest& q) {
    return parse_chat_request(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}", {},
                              kLimits, q);
}

std::optional<ApiError> parse_text(const std::string& fields, OpenAiRequest& q,
                                   const RequestLimits& limits = kLimits) {
    return parse_completion_request(R"({"prompt":"x",)" + fields + "}", {}, limits, q);
}

std::string param_of(const std::optional<ApiError>& error) {
    return error ? error->param : "none";
}

/// What a text completion with one field comes to.
OpenAiRequest with(const std::string& field) {
    OpenAiRequest q;
    CHECK(param_of(parse_text(field, q)) == "none");
    CHECK(q.n_unknown_fields == 0);
    return q;
}

}  // namespace

TEST_CASE("openai_fields: the ends of a range are in it, what is beyond is refused by name") {
    struct Range {
        std::string name;
        std::vector<std::string> in, out;
    };
    const std::string salt = '"' + std::string(1024, 's') + '"', long_salt = "\"s" + salt.substr(1);
    const std::string id = '"' + std::string(128, 'i') + '"', long_id = "\"i" + id.substr(1);
    for (const Range& range : std::vector<Range>{
             {"max_tokens", {"1", "16777216", "5.0"}, {"0", "16777217", "5.5", "\"5\"", "true"}},
             {"max_completion_tokens", {"1", "16777216"}, {"0", "16777217", "[]"}},
             {"min_tokens", {"0", "16"}, {"-1", "17", "16777217"}},
             {"temperature", {"0", "100"}, {"-0.1", "100.1", "\"hot\""}},
             {"top_p", {"0", "1"}, {"-0.1", "1.1"}},
             {"top_k", {"-1", "0", "16777216"}, {"-2", "16777217", "1.5"}},
             {"min_p", {"0", "1"}, {"-0.1", "1.1"}},
             {"frequency_penalty", {"-2", "2"}, {"-2.1", "2.1"}},
             {"presence_penalty", {"-2", "2"}, {"-2.1", "2.1"}},
             {"repetition_penalty", {"0.001", "100"}, {"0", "-1", "101"}},
             {"seed", {"-9223372036854775808", "9223372036854775807"}, {"1.5", "\"1\""}},
             {"logprobs", {"0", "20", "false"}, {"-1", "21", "true"}},
             {"prompt_logprobs", {"0", "20", "false"}, {"-2", "-1", "21", "true", "1.5"}},
             {"truncate_prompt_tokens", {"-1", "1", "16777216"}, {"0", "-2", "16777217", "\"1\""}},
             {"n", {"1", "8"}, {"0", "9"}},
             {"stop_token_ids", {"[]", "[0,999]"}, {"[1000]", "[-1]", "5"}},
             {"allowed_token_ids", {"[]", "[0,999]"}, {"[1000]", "[-1]", "5"}},
             {"ignore_eos", {"true", "false"}, {"0", "\"true\""}},
             {"skip_special_tokens", {"true", "false"}, {"1"}},
             {"stream", {"true", "false"}, {"1"}},
             {"cache_salt", {"\"\"", salt}, {"5", long_salt}},
             {"request_id", {"\"a-1\"", id}, {"\"\"", "\"a b\"", long_id, "5"}},
             {"priority", {"0"}, {"1", "-1", "1001", "\"high\""}},
         }) {
        CAPTURE(range.name);
        for (const std::string& value : range.in) {
            OpenAiRequest q;
            CAPTURE(value);
            CHECK(param_of(parse_text(fmt::format("\"{}\":{}", range.name, value), q)) == "none");
            CHECK(q.n_unknown_fields == 0);
        }
        for (const std::string& value : range.out) {
            OpenAiRequest q;
            CAPTURE(value);
            const auto error = parse_text(fmt::format("\"{}\":{}", range.name, value), q);
            REQUIRE(error);
            CHECK(error->status == 400);
            CHECK(error->param.starts_with(range.name));
            CHECK(error->message.starts_with(range.name));
        }
    }
}

TEST_CASE("openai_fields: null is the same as absent, whatever the field") {
    for (const auto& [name, field] : request_fields()) {
        if (name == "prompt" || name == "messages") continue;
        CAPTURE(name);
        OpenAiRequest q;
        if (field.scope & kText)
            CHECK(param_of(parse_text(fmt::format("\"{}\":null", name), q)) == "none");
        if (field.scope & kChat)
            CHECK(param_of(parse_chat(fmt::format("\"{}\":null", name), q)) == "none");
        CHECK(q.n_unknown_fields == 0);
    }
}

TEST_CASE("openai_fields: values that stand for others") {
    CHECK(with(R"("top_k":-1)").generation.sampling.top_k == 0);
    CHECK(with(R"("seed":-3)").generation.seed == uint64_t(-3));
    CHECK(with(R"("truncate_prompt_tokens":-1)").generation.truncate_prompt_tokens == kToContext);
    CHECK(with(R"("truncate_prompt_tokens":7)").generation.truncate_prompt_tokens == 7);
    CHECK(with(R"("logprobs":false)").generation.sampling.n_logprobs == -1);
    CHECK(with(R"("logprobs":0)").generation.sampling.n_logprobs == 0);
    OpenAiRequest chat;
    CHECK_FALSE(parse_chat(R"("logprobs":true)", chat));
    CHECK(chat.generation.sampling.n_logprobs == 0);
    OpenAiRequest number;
    CHECK(param_of(parse_chat(R"("logprobs":3)", number)) == "logprobs");
}

TEST_CASE("openai_fields: reasoning is apart and told, unless the client wants it otherwise") {
    const auto chat = [](const std::string& field) {
        OpenAiRequest q;
        CHECK(param_of(parse_chat(field, q)) == "none");
        CHECK(q.n_unknown_fields == 0);
        return q;
    };
    CHECK(chat(R"("n":1)").style.include_reasoning);
    CHECK(chat(R"("n":1)").generation.split_reasoning);
    CHECK_FALSE(chat(R"("include_reasoning":false)").style.include_reasoning);
    CHECK_FALSE(chat(R"("separate_reasoning":false)").generation.split_reasoning);
    CHECK_FALSE(with(R"("n":1)").generation.split_reasoning);
    OpenAiRequest q;
    CHECK(param_of(parse_chat(R"("include_reasoning":"no")", q)) == "include_reasoning");
}

TEST_CASE("openai_fields: how much to reason, and documents, are for the template") {
    const auto options = [](const std::string& field) {
        OpenAiRequest q;
        CHECK(param_of(parse_chat(field, q)) == "none");
        CHECK(q.n_unknown_fields == 0);
        return q.generation.chat_options;
    };
    CHECK(options(R"("reasoning_effort":"high")").reasoning_effort == "high");
    CHECK(options(R"("documents":[{"title": "a"},{}])").documents == R"([{"title": "a"},{}])");
    CHECK(options(R"("documents":[])").documents == "");
    OpenAiRequest q;
    CHECK(param_of(parse_chat(R"("reasoning_effort":1)", q)) == "reasoning_effort");
    CHECK(param_of(parse_chat(R"("documents":{})", q)) == "documents");
    CHECK(param_of(parse_chat(R"("documents":[{},"a"])", q)) == "documents[1]");
    CHECK(param_of(parse_text(R"("reasoning_effort":"high")", q)) == "none");
}

TEST_CASE("openai_fields: variables for the template, as they were written") {
    const auto kwargs = [](const std::string& value) {
        OpenAiRequest q;
        const auto error = parse_chat("\"chat_template_kwargs\":" + value, q);
        return error ? error->param : q.generation.chat_options.template_kwargs;
    };
    CHECK(kwargs(R"({"enable_thinking": false, "a":[1e400]})") ==
          R"({"enable_thinking": false, "a":[1e400]})");
    CHECK(kwargs("null") == "");
    CHECK(kwargs("[]") == "");
    CHECK(kwargs("7") == "chat_template_kwargs");
    CHECK(kwargs("[1]") == "chat_template_kwargs");
    for (const char* own : {"chat_template", "messages", "tools", "add_generation_prompt"})
        CHECK(kwargs(fmt::format(R"({{"a":1,"{}":"x"}})", own)) ==
              fmt::format("chat_template_kwargs.{}", own));
    OpenAiRequest q;
    CHECK(param_of(parse_text(R"("chat_template_kwargs":{"a":1})", q)) == "chat_template_kwargs");
    CHECK(param_of(parse_text(R"("chat_template_kwargs":{})", q)) == "none");
}

TEST_CASE("openai_fields: top_p 0 is the likeliest token, as at OpenAI") {
    for (const char* value : {"0", "0.0", "1e-12"}) {
        OpenAiRequest q;
        REQUIRE_FALSE(parse_completion_request(fmt::format(R"({{"prompt":"x","top_p":{}}})", value),
                                               {}, kLimits, q));
        CHECK(q.generation.sampling.top_p > 0);
        CHECK(q.generation.sampling.top_p < 1e-6f);
    }
}

TEST_CASE("openai_fields: a priority is for whom the operator trusts") {
    RequestLimits limits = kLimits;
    OpenAiRequest q;
    const auto refused = parse_text(R"("priority":-3)", q, limits);
    REQUIRE(refused);
    CHECK(refused->code == "unsupported_parameter");
    CHECK(refused->message.find("allow-priority") != std::string::npos);
    limits.allow_priority = true;
    CHECK(param_of(parse_text(R"("priority":-1000)", q, limits)) == "none");
    CHECK(q.generation.priority == -1000);
    CHECK(param_of(parse_text(R"("priority":-1001)", q, limits)) == "priority");
}

TEST_CASE("openai_fields: a tool may be called, or not, or has to be") {
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f"}}],)";
    const auto n_tools = [&](const std::string& choice) {
        OpenAiRequest q;
        CHECK_FALSE(parse_chat(tools + "\"tool_choice\":" + choice, q));
        return q.generation.chat_options.tools.size();
    };
    CHECK(n_tools("\"auto\"") == 1);
    CHECK(n_tools("\"none\"") == 0);
    OpenAiRequest any, one;
    REQUIRE_FALSE(parse_chat(tools + R"("tool_choice":"required")", any));
    CHECK(any.generation.calls_required);
    CHECK(any.generation.called_tool.empty());
    REQUIRE_FALSE(
        parse_chat(tools + R"("tool_choice":{"type":"function","function":{"name":"f"}})", one));
    CHECK(one.generation.calls_required);
    CHECK(one.generation.called_tool == "f");
    OpenAiRequest q;
    CHECK(param_of(parse_chat(R"("tool_choice":"required")", q)) == "tool_choice");
    for (const auto& [choice, param] : std::map<std::string, std::string>{
             {R"({"type":"function","function":{"name":"g"}})", "tool_choice"},
             {R"({"type":"function","function":{}})", "tool_choice.function"},
             {R"({"type":"function"})", "tool_choice.function"},
             {R"({"type":"custom","custom":{"name":"f"}})", "tool_choice"},
             {"\"always\"", "tool_choice"}})
        CHECK(param_of(parse_chat(tools + "\"tool_choice\":" + choice, q)) == param);
}

TEST_CASE("openai_fields: what a grammar has to know of tools") {
    OpenAiRequest q;
    REQUIRE_FALSE(parse_chat(R"("tools":[{"type":"web_search"},{"type":"function","function":)"
                             R"({"name":"f","strict":true,"parameters":{"type":"object"}}},)"
                             R"({"function":{"name":"g","parameters":null,"strict":false}},)"
                             R"({"function":{"name":"h"}}])",
                             q));
    CHECK(q.generation.tools ==
          std::vector<OfferedTool>{
              {"f", R"({"type":"object"})", true, "tools[1].function.parameters"},
              {"g", "", false, "tools[2].function.parameters"},
              {"h", "", {}, "tools[3].function.parameters"}});
    CHECK(param_of(parse_chat(R"("tools":[{"function":{"name":"f","strict":"yes"}}])", q)) ==
          "tools[0].function.strict");
}

TEST_CASE("openai_fields: allowed_tools leaves a model the tools it names, whichever comes first") {
    const auto function = [](std::string_view name) {
        return fmt::format(R"({{"type":"function","function":{{"name":"{}"}}}})", name);
    };
    const std::string tools =
        fmt::format(R"("tools":[{},{},{}])", function("a"), function("b"), function("c"));
    const auto choice = [](std::string_view mode, std::string_view allowed) {
        return fmt::format(R"("tool_choice":{{"type":"allowed_tools","allowed_tools":)"
                           R"({{"mode":"{}","tools":[{}]}}}})",
                           mode, allowed);
    };
    const auto parse = [&](const std::string& fields, OpenAiRequest& q) {
        return parse_chat_request(R"({"messages":[{"role":"user","content":"x"}],)" + fields + "}",
                                  {}, kLimits, q);
    };
    const std::string two = choice("auto", function("c") + "," + function("a"));
    for (const std::string& fields : {tools + "," + two, two + "," + tools}) {
        OpenAiRequest q;
        REQUIRE_FALSE(parse(fields, q));
        CHECK(q.generation.chat_options.tools ==
              std::vector<std::string>{function("a"), function("c")});
    }
    OpenAiRequest required;
    REQUIRE_FALSE(parse(tools + "," + choice("required", function("b")), required));
    CHECK(required.generation.calls_required);
    CHECK(required.generation.tools.size() == 1);
    CHECK(required.generation.tools[0].name == "b");
    OpenAiRequest none;
    REQUIRE_FALSE(parse(tools + "," + choice("auto", ""), none));
    CHECK(none.generation.chat_options.tools.empty());

    std::string many = function("a");
    for (int i = 0; i < 128; i++) many += "," + function("a");
    const std::string at = "tool_choice.allowed_tools";
    OpenAiRequest q, bare;
    CHECK(param_of(parse(tools + "," + choice("auto", function("d")), q)) == at);
    CHECK(param_of(parse(two, bare)) == at);  // none is offered
    CHECK(param_of(parse(tools + "," + choice("auto", many), q)) == at);
    CHECK(param_of(parse(tools + "," + choice("none", function("a")), q)) == at + ".mode");
    CHECK(param_of(parse(tools + "," + choice("auto", "{}"), q)) == at + ".tools[0]");
    CHECK(param_of(parse(R"("tool_choice":{"type":"allowed_tools"})", q)) == at);
    CHECK(param_of(parse(R"("tool_choice":{"type":"allowed_tools","allowed_tools":5})", q)) == at);
}
