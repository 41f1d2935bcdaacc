#include "daemon/api/openai/fields.h"

#include <algorithm>

namespace qwend {

namespace {

constexpr size_t kMaxRequestId = 128, kMaxCacheSalt = 1024;  // bytes

#define QWEND_FIELD(name, scope, expression)                                           \
    {                                                                                  \
        name, {                                                                        \
            scope,                                                                     \
                []([[maybe_unused]] RequestReader& r,                                  \
                   [[maybe_unused]] const JsonValue& v) -> bool { return expression; } \
        }                                                                              \
    }

bool read_max_tokens(RequestReader& r, const JsonValue& v) {
    int n = 0;
    if (!r.read.integer("max_tokens", v, 1, kMaxTokensLimit, n)) return false;
    r.generation.max_tokens = n;
    return true;
}

bool read_max_completion_tokens(RequestReader& r, const JsonValue& v) {
    int n = 0;
    if (!r.read.integer("max_completion_tokens", v, 1, kMaxTokensLimit, n)) return false;
    r.max_completion_tokens = n;
    return true;
}

/// OpenAI's {"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[…]}}: the tools of the
/// request that the model may choose among.
bool read_allowed_tools(RequestReader& r, const JsonValue& choice) {
    const std::string at = "tool_choice.allowed_tools";
    const auto allowed = choice.member("allowed_tools");
    const auto mode = allowed ? allowed->member("mode") : std::nullopt;
    const auto tools = allowed ? allowed->member("tools") : std::nullopt;
    if (!tools || !tools->is_array()) return r.read.expected(at, "an object with tools", choice);
    std::string text;
    if (!mode || !mode->get(text) || text != "auto")
        return r.read.unsupported(at + ".mode", "only auto");
    auto& names = r.allowed_tools.emplace();
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

bool read_tool_choice(RequestReader& r, const JsonValue& v) {
    std::string choice, type;
    const auto named = v.member("type");
    if (named && named->get(type) && type == "allowed_tools") return read_allowed_tools(r, v);
    if (!v.get(choice) || (choice != "auto" && choice != "none"))
        return r.read.unsupported("tool_choice", "only auto, none and allowed_tools");
    r.use_tools = choice == "auto";
    return true;
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

bool read_logprobs(RequestReader& r, const JsonValue& v) {
    bool wanted = true;
    if (r.style.chat) return r.read.boolean("logprobs", v, r.chat_logprobs);
    if (v.get(wanted) && !wanted) return true;  // chat's way to say "none"
    return r.read.integer("logprobs", v, 0, kMaxLogprobs, r.completion_logprobs);
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

bool read_generation_prompt(RequestReader& r, const JsonValue& v) {
    bool& add = r.generation.chat_options.add_generation_prompt;
    if (!r.read.boolean("add_generation_prompt", v, add)) return false;
    r.asks_generation_prompt = add;
    return true;
}

using Fields = std::map<std::string_view, RequestField>;

/// What the model reads.
Fields prompt_fields() {
    return {
        QWEND_FIELD("model", kAnyAnswer | kTokenize, r.read.string("model", v, r.style.model)),
        QWEND_FIELD("messages", kChat | kTokenize, r.messages(v)),
        QWEND_FIELD("prompt", kText | kTokenize, r.prompts(v)),
        QWEND_FIELD("add_generation_prompt", kChat | kTokenize, read_generation_prompt(r, v)),
        QWEND_FIELD("continue_final_message", kChat | kTokenize,
                    r.read.boolean("continue_final_message", v,
                                   r.generation.chat_options.continue_final_message)),
        QWEND_FIELD(
            "add_special_tokens", kBoth | kTokenize,
            r.read.boolean("add_special_tokens", v, r.generation.add_special_tokens.emplace())),
        QWEND_FIELD("chat_template_kwargs", kChat | kTokenize, r.template_kwargs(v)),
        QWEND_FIELD("documents", kChat | kResponses | kTokenize, r.documents(v)),
        QWEND_FIELD(
            "reasoning_effort", kChat | kTokenize,
            r.read.string("reasoning_effort", v, r.generation.chat_options.reasoning_effort)),
        QWEND_FIELD("truncate_prompt_tokens", kBoth, read_truncate(r, v)),
        QWEND_FIELD("tools", kChat | kTokenize, r.tools(v)),
        QWEND_FIELD("tool_choice", kChat, read_tool_choice(r, v)),
        QWEND_FIELD("cache_salt", kAnyAnswer, read_cache_salt(r, v)),
    };
}

/// Which tokens it writes, and how many.
Fields generation_fields() {
    return {
        QWEND_FIELD("temperature", kAnyAnswer,
                    r.read.number("temperature", v, 0, 100, r.generation.sampling.temperature)),
        QWEND_FIELD("top_p", kAnyAnswer, read_top_p(r, v)),
        QWEND_FIELD("top_k", kAnyAnswer, read_top_k(r, v)),
        QWEND_FIELD("min_p", kAnyAnswer,
                    r.read.number("min_p", v, 0, 1, r.generation.sampling.min_p)),
        QWEND_FIELD("seed", kAnyAnswer, read_seed(r, v)),
        QWEND_FIELD(
            "frequency_penalty", kAnyAnswer,
            r.read.number("frequency_penalty", v, -2, 2, r.generation.sampling.frequency_penalty)),
        QWEND_FIELD(
            "presence_penalty", kAnyAnswer,
            r.read.number("presence_penalty", v, -2, 2, r.generation.sampling.presence_penalty)),
        QWEND_FIELD("repetition_penalty", kAnyAnswer,
                    r.read.number("repetition_penalty", v, 1e-3, 100,
                                  r.generation.sampling.repetition_penalty)),
        QWEND_FIELD("logit_bias", kAnyAnswer, r.logit_bias(v)),
        QWEND_FIELD("allowed_token_ids", kAnyAnswer,
                    r.read.token_ids("allowed_token_ids", v, kMaxListedIds,
                                     r.generation.sampling.allowed_token_ids)),
        QWEND_FIELD("max_tokens", kBoth, read_max_tokens(r, v)),
        QWEND_FIELD("max_completion_tokens", kBoth, read_max_completion_tokens(r, v)),
        QWEND_FIELD(
            "min_tokens", kAnyAnswer,
            r.read.integer("min_tokens", v, 0, kMaxTokensLimit, r.generation.sampling.min_tokens)),
        QWEND_FIELD("stop", kAnyAnswer, r.stops(v)),
        QWEND_FIELD("stop_token_ids", kAnyAnswer,
                    r.read.token_ids("stop_token_ids", v, 64, r.generation.stop_token_ids)),
        QWEND_FIELD("ignore_eos", kAnyAnswer,
                    r.read.boolean("ignore_eos", v, r.generation.ignore_eos)),
    };
}

/// What of them is sent, and how.
Fields answer_fields() {
    return {
        QWEND_FIELD("n", kBoth, r.read.integer("n", v, 1, r.limits.max_choices, r.generation.n)),
        QWEND_FIELD("best_of", kText,
                    r.read.integer("best_of", v, 1, r.limits.max_choices, r.best_of)),
        QWEND_FIELD("include_stop_str_in_output", kAnyAnswer,
                    r.read.boolean("include_stop_str_in_output", v, r.generation.include_stop)),
        QWEND_FIELD("skip_special_tokens", kAnyAnswer,
                    r.read.boolean("skip_special_tokens", v, r.generation.skip_special_tokens)),
        QWEND_FIELD("logprobs", kBoth, read_logprobs(r, v)),
        QWEND_FIELD("top_logprobs", kChat,
                    r.read.integer("top_logprobs", v, 0, kMaxLogprobs, r.top_logprobs)),
        QWEND_FIELD("stream", kAnyAnswer, r.read.boolean("stream", v, r.style.stream)),
        QWEND_FIELD("stream_options", kBoth, r.stream_options(v)),
        QWEND_FIELD("include_reasoning", kChat,
                    r.read.boolean("include_reasoning", v, r.style.include_reasoning)),
        QWEND_FIELD("separate_reasoning", kChat,
                    r.read.boolean("separate_reasoning", v, r.generation.split_reasoning)),
        QWEND_FIELD("echo", kBoth, r.read.boolean("echo", v, r.generation.echo)),
        QWEND_FIELD("request_id", kBoth,
                    r.read.identifier("request_id", v, kMaxRequestId, r.style.request_id)),
        QWEND_FIELD("priority", kAnyAnswer, read_priority(r, v)),
        QWEND_FIELD("return_tokens_as_token_ids", kAnyAnswer,
                    r.read.boolean("return_tokens_as_token_ids", v, r.style.tokens_as_ids)),
        QWEND_FIELD("return_token_ids", kBoth,
                    r.read.boolean("return_token_ids", v, r.generation.return_token_ids)),
        QWEND_FIELD("parallel_tool_calls", kChat | kResponses,
                    r.read.boolean("parallel_tool_calls", v, r.generation.parallel_tool_calls)),
    };
}

#undef QWEND_FIELD

}  // namespace

const std::map<std::string_view, RequestField>& request_fields() {
    static const Fields table = [] {
        Fields all = prompt_fields();
        all.merge(generation_fields());
        all.merge(answer_fields());
        return all;
    }();
    return table;
}

}  // namespace qwend
