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
    if (prompts.empty()) return r.read.fail("prompt", "prompt: expected a prompt");
    for (size_t i = 0; i < prompts.size(); i++)
        if (std::visit([](const auto& prompt) { return prompt.empty(); }, prompts[i]))
            return r.no_prompt(r.lists_prompts ? fmt::format("prompt[{}]", i) : "prompt");
    if (r.generation.n * int(prompts.size()) > r.limits.max_choices)
        return r.read.fail("n", fmt::format("n: {} choices of {} prompts are more than {}",
                                            r.generation.n, prompts.size(), r.limits.max_choices));
    return true;
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
    if (r.generation.echo && n >= 0)
        r.read.fail("echo", "echo: not supported together with logprobs", "unsupported_parameter");
    if (r.generation.echo && r.style.chat) r.read.unsupported("echo");
    return !r.read.error;
}

bool settle_length(RequestReader& r) {
    constexpr int kDefaultTextTokens = 16;  // OpenAI's
    std::optional<int>& max_tokens = r.generation.max_tokens;
    if (r.max_completion_tokens) max_tokens = r.max_completion_tokens;
    if (!max_tokens && !r.style.chat) max_tokens = kDefaultTextTokens;
    return settle_min_tokens(r, "max_tokens");
}

/// What can only be judged with all fields read; the first error counts.
bool settle(RequestReader& r) {
    const OpenAiStyle& style = r.style;
    Generation& q = r.generation;
    if (!settle_common(r) || !settle_tools(r) || !settle_logprobs(r)) return false;
    if (r.best_of > 0 && r.best_of != q.n) return r.read.unsupported("best_of");
    if (style.chat && q.messages.empty())
        return r.read.fail("messages", "messages: expected at least one");
    if (!style.chat && !settle_prompts(r)) return false;
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
    bool found = false, ok = true;
    for (const auto& [name, value] : document.root().members()) {
        if (name == "model" && !value.is_null())
            ok = ok && reader.read.string(name, value, request.style.model);
        if (name == "tokens") {
            found = true;
            ok = ok && reader.read.token_ids(name, value, size_t(kMaxTokensLimit), tokens);
        }
    }
    if (ok && !found) reader.read.fail("tokens", "tokens: expected a list of token ids");
    if (ok) settle_common(reader);
    model = request.style.model;
    return reader.read.error;
}

}  // namespace qwend
