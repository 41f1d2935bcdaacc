#include "daemon/api/openai/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/api/openai/fields.h"
#include "daemon/api/openai/request_steps.h"
#include "daemon/api/request_body.h"

namespace qwend {

namespace {

bool read_fields(const JsonDocument& document, unsigned scope, RequestReader& reader) {
    for (const auto& [name, value] : document.root().members())
        if (!read_field(reader, name, value, scope)) return false;
    return true;
}

bool settle_prompts(RequestReader& r) {
    const std::vector<Prompt>& prompts = r.generation.prompts;
    const bool has_gap = !r.generation.suffix.empty();  // it may be the beginning
    if (prompts.empty()) return r.read.fail("prompt", "prompt: expected a prompt");
    for (size_t i = 0; i < prompts.size() && !has_gap; i++)
        if (std::visit([](const auto& prompt) { return prompt.empty(); }, prompts[i]))
            return r.no_prompt(r.lists_prompts ? fmt::format("prompt[{}]", i) : "prompt");
    if (has_gap && r.generation.truncate_prompt_tokens)
        return r.read.fail("truncate_prompt_tokens",
                           "truncate_prompt_tokens: not together with suffix");
    return true;
}

/// How many each prompt has, and whether there can be so many.
bool settle_candidates(RequestReader& r) {
    const Generation& q = r.generation;
    const bool chooses = q.best_of > q.n;
    if (q.best_of > 0 && q.best_of < q.n)
        return r.read.fail("best_of", fmt::format("best_of: less than n, which is {}", q.n));
    if (chooses && r.style.stream)
        return r.read.fail("best_of",
                           "best_of: more than n cannot be streamed: which choices are the best is "
                           "known once all are complete");
    const char* field = chooses ? "best_of" : "n";
    const int n = std::max(q.n, q.best_of), n_prompts = int(q.prompts.size());
    if (n * n_prompts <= r.limits.max_choices) return true;
    return r.read.fail(field, fmt::format("{}: {} choices of {} prompts are more than {}", field, n,
                                          n_prompts, r.limits.max_choices));
}

bool settle_logprobs(RequestReader& r) {
    int& n = r.generation.sampling.n_logprobs;
    if (!r.style.chat) {
        n = r.completion_logprobs;
    } else if (r.chat_logprobs) {
        n = std::max(r.top_logprobs, 0);
    } else if (r.top_logprobs > 0) {
        r.read.fail("top_logprobs", "top_logprobs: needs logprobs to be true");
    }
    if (r.generation.echo && r.style.chat) r.read.unsupported("echo");
    // As vLLM's: 0 asks for nothing that a stream would have.
    int& of_prompt = r.style.prompt_logprobs;
    if (r.style.stream && of_prompt > 0)
        r.read.fail("prompt_logprobs", "prompt_logprobs: not available in a stream");
    if (r.style.stream) of_prompt = -1;
    r.generation.n_prompt_logprobs = std::max(of_prompt, r.generation.echo ? n : -1);
    return !r.read.error;
}

bool settle_length(RequestReader& r) {
    constexpr int kDefaultTextTokens = 16;  // OpenAI's
    std::optional<int>& max_tokens = r.generation.max_tokens;
    if (r.max_completion_tokens) max_tokens = r.max_completion_tokens;
    if (!max_tokens && !r.style.chat) max_tokens = kDefaultTextTokens;
    if (max_tokens == 0 && !r.generation.echo)
        return r.read.fail("max_tokens", "max_tokens: 0 leaves nothing to answer without echo");
    return settle_min_tokens(r, "max_tokens");
}

/// What can only be judged with all fields read; the first error counts.
bool settle(RequestReader& r) {
    const OpenAiStyle& style = r.style;
    Generation& q = r.generation;
    if (!settle_common(r) || !settle_tools(r) || !settle_logprobs(r)) return false;
    if (style.chat && q.messages.empty())
        return r.read.fail("messages", "messages: expected at least one");
    if (!style.chat && (!settle_prompts(r) || !settle_candidates(r))) return false;
    if (!settle_length(r)) return false;
    if ((style.include_usage || style.continuous_usage) && !style.stream)
        return r.read.fail("stream_options", "stream_options: only with stream");
    q.prompt_field = style.chat ? "messages" : "prompt";
    if (!style.chat) q.split_reasoning = false;  // a text is what was generated
    q.whole_calls = !style.stream;
    return true;
}

std::optional<ApiError> parse_request(std::string_view body, unsigned scope,
                                      const RulesOf& rules_of, OpenAiRequest& request) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    const RequestRules rules = rules_of(named_model(document));
    apply_defaults(rules.defaults, request.generation.sampling);
    RequestReader reader(rules.limits, request);
    if (read_fields(document, scope, reader)) settle(reader);
    return reader.read.error;
}

}  // namespace

std::optional<ApiError> parse_chat_request(std::string_view body, const RulesOf& rules_of,
                                           OpenAiRequest& request) {
    request.style.chat = true;
    return parse_request(body, kChat, rules_of, request);
}

std::optional<ApiError> parse_completion_request(std::string_view body, const RulesOf& rules_of,
                                                 OpenAiRequest& request) {
    return parse_request(body, kText, rules_of, request);
}

std::optional<ApiError> parse_tokenize_request(std::string_view body, const RulesOf& rules_of,
                                               OpenAiRequest& request) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    const RequestRules rules = rules_of(named_model(document));
    RequestReader reader(rules.limits, request);
    if (!read_fields(document, kTokenize, reader) || !settle_common(reader))
        return reader.read.error;
    const Generation& q = request.generation;
    if (q.messages.empty() == q.prompts.empty())
        return bad_request("expected either prompt or messages");
    if (q.prompts.size() > 1) return bad_request("prompt: expected one", "prompt");
    return std::nullopt;
}

std::optional<ApiError> parse_detokenize_request(std::string_view body, const RulesOf& rules_of,
                                                 std::string& model, std::vector<int32_t>& tokens) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    const RequestRules rules = rules_of(named_model(document));
    OpenAiRequest request;
    RequestReader reader(rules.limits, request);
    if (!read_fields(document, kDetokenize, reader) || !settle_common(reader))
        return reader.read.error;
    if (const auto given = document.root().member("tokens"); !given || given->is_null())
        return bad_request("tokens: expected a list of token ids", "tokens");
    model = std::move(request.style.model);
    tokens = std::move(reader.tokens);
    return std::nullopt;
}

}  // namespace qwend
