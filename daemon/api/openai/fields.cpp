#include "daemon/api/openai/fields.h"

#include <algorithm>

#include "daemon/api/form_fields.h"
#include "daemon/api/openai/field_schemas.h"

namespace qwend {

namespace {

constexpr size_t kMaxRequestId = 128, kMaxCacheSalt = 1024;  // bytes
constexpr size_t kMaxStopIds = 64;

using Kinds = FieldKinds<RequestReader>;

/// OpenAI's {"type":"allowed_tools","allowed_tools":{"mode":"auto"|"required","tools":[…]}}: the
/// tools of the request that the model may choose among.
bool read_allowed_tools(RequestReader& r, const JsonValue& choice) {
    const std::string at = "tool_choice.allowed_tools";
    const auto allowed = choice.member("allowed_tools");
    const auto mode = allowed ? allowed->member("mode") : std::nullopt;
    const auto tools = allowed ? allowed->member("tools") : std::nullopt;
    if (!tools || !tools->is_array()) return r.read.expected(at, "an object with tools", choice);
    std::string text;
    if (!mode || !mode->get(text) || text == "none" || !r.tool_choice.set_mode(text))
        return r.read.unsupported(at + ".mode", "only auto and required");
    auto& names = r.tool_choice.allowed.emplace();
    for (const JsonValue tool : tools->elements()) {
        if (names.size() == kMaxTools)
            return r.read.fail(at, fmt::format("{}: expected at most {} tools", at, kMaxTools));
        const auto function = tool.member("function");
        const auto name = function ? function->member("name") : std::nullopt;
        if (!name || !name->get(text))
            return r.read.expected(fmt::format("{}.tools[{}]", at, names.size()),
                                   "an object with a function that has a name", tool);
        names.push_back(text);
    }
    return true;
}

/// {"type":"function","function":{"name":…}}: this one, once.
bool read_called_tool(RequestReader& r, const JsonValue& choice) {
    const auto function = choice.member("function");
    const auto name = function ? function->member("name") : std::nullopt;
    if (!name || !name->get(r.tool_choice.name) || r.tool_choice.name.empty())
        return r.read.expected("tool_choice.function", "an object with a name", choice);
    r.tool_choice.required = true;
    return true;
}

bool read_tool_choice(RequestReader& r, const JsonValue& v) {
    std::string choice, type;
    const auto named = v.member("type");
    if (named && named->get(type) && type == "allowed_tools") return read_allowed_tools(r, v);
    if (type == "function") return read_called_tool(r, v);
    return (v.get(choice) && r.tool_choice.set_mode(choice)) ||
           r.read.unsupported("tool_choice",
                              "only auto, none, required, a function and allowed_tools");
}

bool read_seed(RequestReader& r, const JsonValue& v) {
    int64_t seed = 0;
    if (!r.read.integer("seed", v, INT64_MIN, INT64_MAX, seed)) return false;
    r.generation.seed = uint64_t(seed);
    return true;
}

bool read_top_k(RequestReader& r, const JsonValue& v) {
    if (!r.read.integer("top_k", v, -1, kMaxTokensLimit, r.generation.sampling.top_k)) return false;
    if (r.generation.sampling.top_k < 0)
        r.generation.sampling.top_k = 0;  // vLLM's way to say "all"
    return true;
}

/// 0 asks for the likeliest token alone, as at OpenAI; the sampler keeps one in any case.
bool read_top_p(RequestReader& r, const JsonValue& v) {
    constexpr float kLeast = 1e-9f;
    float& top_p = r.generation.sampling.top_p;
    if (!r.read.number("top_p", v, 0, 1, top_p)) return false;
    top_p = std::max(top_p, kLeast);
    return true;
}

bool read_text_logprobs(RequestReader& r, const JsonValue& v) {
    bool wanted = true;
    if (v.get(wanted) && !wanted) return true;  // chat's way to say "none"
    return r.read.integer("logprobs", v, 0, kMaxLogprobs, r.completion_logprobs);
}

bool read_prompt_logprobs(RequestReader& r, const JsonValue& v) {
    bool wanted = true;
    int64_t n = 0;
    if (v.get(wanted) && !wanted) return true;
    if (v.get(n) && n == -1)  // vLLM's way to say "all"
        return r.read.fail("prompt_logprobs",
                           fmt::format("prompt_logprobs: -1, for the whole vocabulary, is not "
                                       "supported by this server; expected 0 to {}",
                                       kMaxLogprobs),
                           "unsupported_parameter");
    return r.read.integer("prompt_logprobs", v, 0, kMaxLogprobs, r.style.prompt_logprobs);
}

bool read_truncate(RequestReader& r, const JsonValue& v) {
    int64_t n = 0;
    if (!v.get(n) || n == 0 || n < kToContext || n > kMaxTokensLimit)
        return r.read.expected(
            "truncate_prompt_tokens",
            fmt::format("-1 for what the context allows, or an integer from 1 to {}",
                        kMaxTokensLimit),
            v);
    r.generation.truncate_prompt_tokens = int(n);
    return true;
}

/// Who may say how urgent it is can starve everybody else.
bool read_priority(RequestReader& r, const JsonValue& v) {
    if (!r.read.integer("priority", v, -1000, 1000, r.generation.priority)) return false;
    if (r.generation.priority == 0 || r.limits.allow_priority) return true;
    return r.read.unsupported("priority", "its operator has not set allow-priority");
}

bool read_cache_salt(RequestReader& r, const JsonValue& v) {
    if (!r.read.string("cache_salt", v, r.generation.cache_salt)) return false;
    return r.generation.cache_salt.size() <= kMaxCacheSalt ||
           r.read.fail("cache_salt",
                       fmt::format("cache_salt: expected at most {} bytes", kMaxCacheSalt));
}

bool read_n(RequestReader& r, const JsonValue& v) {
    return r.read.integer("n", v, 1, r.limits.max_choices, r.generation.n);
}

bool read_best_of(RequestReader& r, const JsonValue& v) {
    return r.read.integer("best_of", v, 1, r.limits.max_choices, r.generation.best_of);
}

bool read_request_id(RequestReader& r, const JsonValue& v) {
    return r.read.identifier("request_id", v, kMaxRequestId, r.style.request_id);
}

bool read_generation_prompt(RequestReader& r, const JsonValue& v) {
    bool& add = r.generation.chat_options.add_generation_prompt;
    if (!r.read.boolean("add_generation_prompt", v, add)) return false;
    r.asks_generation_prompt = add;
    return true;
}

using Fields = FieldTable<RequestReader>;

/// What the model reads.
Fields prompt_fields() {
    return {
        {"model",
         Kinds::string(kAnyAnswer | kTokenize | kDetokenize | kVectors, QWEND_INTO(style.model))},
        {"tokens", Kinds::token_ids(kDetokenize, size_t(kMaxTokensLimit), QWEND_INTO(tokens))},
        {"messages",
         Kinds::with(kChat | kTokenize | kVectors, kMessagesSchema, &RequestReader::messages)},
        {"prompt", Kinds::with(kText | kTokenize, kPromptSchema, &RequestReader::prompts)},
        {"suffix", Kinds::string(kText, QWEND_INTO(generation.suffix))},
        {"add_generation_prompt",
         Kinds::with(kChat | kTokenize | kVectors, kBooleanSchema, read_generation_prompt)},
        {"continue_final_message",
         Kinds::boolean(kChat | kTokenize | kVectors,
                        QWEND_INTO(generation.chat_options.continue_final_message))},
        {"add_special_tokens", Kinds::boolean(kBoth | kTokenize | kVectors,
                                              QWEND_INTO(generation.add_special_tokens.emplace()))},
        {"chat_template_kwargs",
         Kinds::with(kChat | kTokenize | kVectors, kObjectSchema, &RequestReader::template_kwargs)},
        {"documents", Kinds::with(kChat | kResponses | kTokenize, array_schema(kObjectSchema),
                                  &RequestReader::documents)},
        {"reasoning_effort",
         Kinds::string(kChat | kTokenize, QWEND_INTO(generation.chat_options.reasoning_effort))},
        {"truncate_prompt_tokens", Kinds::with(kBoth | kVectors, kTruncateSchema, read_truncate)},
        {"tools", Kinds::with(kChat | kTokenize, kToolsSchema, &RequestReader::tools)},
        {"tool_choice", Kinds::with(kChat, kToolChoiceSchema, read_tool_choice)},
        {"cache_salt", Kinds::with(kAnyAnswer | kVectors, kStringSchema, read_cache_salt)},
    };
}

/// Which tokens it writes, and how many.
Fields generation_fields() {
    return {
        {"temperature",
         Kinds::number(kAnyAnswer, 0, 100, QWEND_INTO(generation.sampling.temperature))},
        {"top_p", Kinds::with(kAnyAnswer, number_schema(0, 1), read_top_p)},
        {"top_k", Kinds::with(kAnyAnswer, integer_schema(-1, kMaxTokensLimit), read_top_k)},
        {"min_p", Kinds::number(kAnyAnswer, 0, 1, QWEND_INTO(generation.sampling.min_p))},
        {"seed", Kinds::with(kAnyAnswer, integer_schema(INT64_MIN, INT64_MAX), read_seed)},
        {"frequency_penalty",
         Kinds::number(kAnyAnswer, -2, 2, QWEND_INTO(generation.sampling.frequency_penalty))},
        {"presence_penalty",
         Kinds::number(kAnyAnswer, -2, 2, QWEND_INTO(generation.sampling.presence_penalty))},
        {"repetition_penalty",
         Kinds::number(kAnyAnswer, 1e-3, 100, QWEND_INTO(generation.sampling.repetition_penalty))},
        {"logit_bias", Kinds::with(kAnyAnswer, kLogitBiasSchema, &RequestReader::logit_bias)},
        {"allowed_token_ids", Kinds::token_ids(kAnyAnswer, kMaxListedIds,
                                               QWEND_INTO(generation.sampling.allowed_token_ids))},
        {"bad_words",
         Kinds::with(kAnyAnswer, array_schema(kStringSchema), &RequestReader::bad_words)},
        {"max_tokens",
         Kinds::integer(kChat, 1, kMaxTokensLimit, QWEND_INTO(generation.max_tokens.emplace()))},
        {"max_tokens",
         Kinds::integer(kText, 0, kMaxTokensLimit, QWEND_INTO(generation.max_tokens.emplace()))},
        {"max_completion_tokens",
         Kinds::integer(kBoth, 1, kMaxTokensLimit, QWEND_INTO(max_completion_tokens.emplace()))},
        {"min_tokens", Kinds::integer(kAnyAnswer, 0, kMaxTokensLimit,
                                      QWEND_INTO(generation.sampling.min_tokens))},
        {"stop", Kinds::with(kAnyAnswer, kStopSchema, &RequestReader::stops)},
        {"stop_token_ids",
         Kinds::token_ids(kAnyAnswer, kMaxStopIds, QWEND_INTO(generation.stop_token_ids))},
        {"ignore_eos", Kinds::boolean(kAnyAnswer, QWEND_INTO(generation.ignore_eos))},
    };
}

bool read_structured(RequestReader& r, const std::string& at, const JsonValue& v) {
    return read_structured_outputs(r.read, at, v, r.generation.form, r.form_layout);
}

bool read_whitespace(RequestReader& r, const std::string& at, const JsonValue& v) {
    return read_space_pattern(r.read, at, v, r.form_layout);
}

/// The form that the answer has to have, under the names of OpenAI, vLLM, SGLang and llama.cpp.
Fields form_fields() {
    auto form = [](std::string_view schema, auto read) {
        return Kinds::Kind{kAnyAnswer, std::string(schema),
                           [read](RequestReader& r, const std::string& at, const JsonValue& v) {
                               return asks_for_no_form(v) || read(r.read, at, v, r.generation.form);
                           }};
    };
    return {
        {"response_format", form(kResponseFormatSchema, read_response_format)},
        {"structured_outputs", Kinds::with(kAnyAnswer, kStructuredOutputsSchema, read_structured)},
        {"guided_json", form(kSchemaFormSchema, read_schema_form)},
        {"guided_regex", form(kStringSchema, read_regex_form)},
        {"guided_choice", form(kChoiceFormSchema, read_choice_form)},
        {"guided_whitespace_pattern", Kinds::with(kAnyAnswer, kStringSchema, read_whitespace)},
        {"guided_grammar", form(kStringSchema, read_grammar_form)},
        {"json_schema", form(kSchemaFormSchema, read_schema_form)},
        {"regex", form(kStringSchema, read_regex_form)},
        {"ebnf", form(kStringSchema, read_grammar_form)},
        {"structural_tag", form(kSchemaFormSchema, read_structural_tag)},
        {"grammar", form(kStringSchema, read_grammar_form)},
    };
}

/// What of them is sent, and how.
Fields answer_fields() {
    return {
        {"n", Kinds::with(kBoth, kCountSchema, read_n)},
        {"best_of", Kinds::with(kText, kCountSchema, read_best_of)},
        {"include_stop_str_in_output",
         Kinds::boolean(kAnyAnswer, QWEND_INTO(generation.include_stop))},
        {"skip_special_tokens",
         Kinds::boolean(kAnyAnswer, QWEND_INTO(generation.skip_special_tokens))},
        {"logprobs", Kinds::boolean(kChat, QWEND_INTO(chat_logprobs))},
        {"logprobs", Kinds::with(kText, kTextLogprobsSchema, read_text_logprobs)},
        {"top_logprobs", Kinds::integer(kChat, 0, kMaxLogprobs, QWEND_INTO(top_logprobs))},
        {"prompt_logprobs", Kinds::with(kBoth, kTextLogprobsSchema, read_prompt_logprobs)},
        {"stream", Kinds::boolean(kAnyAnswer, QWEND_INTO(style.stream))},
        {"stream_options",
         Kinds::with(kBoth, kStreamOptionsSchema, &RequestReader::stream_options)},
        {"include_reasoning", Kinds::boolean(kChat, QWEND_INTO(style.include_reasoning))},
        {"separate_reasoning", Kinds::boolean(kChat, QWEND_INTO(generation.split_reasoning))},
        {"echo", Kinds::boolean(kBoth, QWEND_INTO(generation.echo))},
        {"request_id", Kinds::with(kBoth | kVectors, kRequestIdSchema, read_request_id)},
        {"priority",
         Kinds::with(kAnyAnswer | kVectors, integer_schema(-1000, 1000), read_priority)},
        {"return_tokens_as_token_ids", Kinds::boolean(kAnyAnswer, QWEND_INTO(style.tokens_as_ids))},
        {"return_token_ids", Kinds::boolean(kBoth, QWEND_INTO(generation.return_token_ids))},
        {"parallel_tool_calls",
         Kinds::boolean(kChat | kResponses, QWEND_INTO(generation.parallel_tool_calls))},
    };
}

}  // namespace

const FieldTable<RequestReader>& request_fields() {
    static const Fields table = [] {
        Fields all = prompt_fields();
        all.merge(generation_fields());
        all.merge(form_fields());
        all.merge(answer_fields());
        return all;
    }();
    return table;
}

}  // namespace qwend
