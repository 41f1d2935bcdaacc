#include "daemon/api/openai.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/api/json_writer.h"
#include "daemon/api/openai_fields.h"

namespace qwend {

namespace {

constexpr size_t kMaxUnknownNames = 8;  // of one request; the rest are only counted

/// What a body that does not begin like JSON in UTF-8 really is; empty if nothing we know.
std::string_view foreign_encoding(std::string_view body) {
    if (body.starts_with("\x1F\x8B")) return "gzip; send it without compression";
    if (body.starts_with("\x28\xB5\x2F\xFD")) return "zstd; send it without compression";
    // A JSON text begins with two ASCII characters, so zeros among them show wider units.
    const bool zeros = body.size() >= 2 && (body[0] == '\0' || body[1] == '\0');
    if (zeros || body.starts_with("\xFF\xFE") || body.starts_with("\xFE\xFF"))
        return "UTF-16 or UTF-32; send UTF-8";
    return {};
}

std::string describe_fault(const JsonFault& fault, std::string_view body) {
    if (fault.kind == JsonFault::size) return "the body is too large";
    if (fault.kind == JsonFault::depth)
        return fmt::format("nested deeper than {} levels at byte {}", kMaxJsonDepth, fault.offset);
    if (fault.kind == JsonFault::encoding)
        return fmt::format("malformed JSON at byte {}: not UTF-8", fault.offset);
    const std::string found = excerpt(body.substr(fault.offset), 16);
    return fmt::format("malformed JSON at byte {}: {}", fault.offset,
                       found.empty() ? "it ends too early" : "at " + found);
}

/// The whole body as one JSON object without duplicate keys, at any depth.
std::optional<ApiError> parse_object(std::string_view body, JsonDocument& document) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return bad_request("expected a JSON object, found an empty body");
    if (const auto what = foreign_encoding(body); !what.empty())
        return bad_request(fmt::format("expected JSON in UTF-8; this body looks like {}", what));
    const size_t skipped = body.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
    if (auto fault = document.parse(body.substr(skipped))) {
        fault->offset += skipped;
        return bad_request(describe_fault(*fault, body));
    }
    if (!document.root().is_object()) return bad_request("expected a JSON object");
    if (const std::string path = excerpt(document.find_duplicate(), 160); !path.empty())
        return bad_request(path + ": given twice", path);
    return std::nullopt;
}

void note_unknown(std::string_view name, CompletionRequest& request) {
    request.n_unknown_fields++;
    if (request.unknown_fields.size() < kMaxUnknownNames)
        request.unknown_fields.push_back(excerpt(name));
}

bool read_field(RequestReader& r, const std::string& name, const JsonValue& value, unsigned scope) {
    const auto found = request_fields().find(name);
    if (found != request_fields().end() && (found->second.scope & scope))
        return value.is_null() || found->second.read(r, value);  // null is the same as absent
    std::string_view instead;
    switch (judge_other_field(name, value, scope, instead)) {
        case OtherField::harmless:
            return true;
        case OtherField::refused:
            return r.unsupported(name, instead);
        case OtherField::unknown:
            note_unknown(name, r.request);
    }
    return true;
}

std::optional<ApiError> read_fields(std::string_view body, unsigned scope, RequestReader& reader) {
    JsonDocument document;
    if (auto error = parse_object(body, document)) return error;
    for (const auto& [name, value] : document.root().members())
        if (!read_field(reader, name, value, scope)) return reader.error;
    return std::nullopt;
}

/// What every kind of request is held to once all its fields are read.
bool settle_common(RequestReader& r) {
    const CompletionRequest& q = r.request;
    const auto& models = r.limits.models;
    if (!q.model.empty() && !models.empty() &&
        std::find(models.begin(), models.end(), q.model) == models.end()) {
        r.error = model_not_found(q.model);
        return false;
    }
    if (q.chat_options.continue_final_message && r.asks_generation_prompt)
        return r.fail("continue_final_message",
                      "continue_final_message: not together with add_generation_prompt");
    return true;
}

/// Takes out the tools that may not be called: what a model does not see, it does not choose.
bool settle_tools(RequestReader& r) {
    std::vector<std::string>& tools = r.request.chat_options.tools;
    if (!r.use_tools) tools.clear();
    if (!r.allowed_tools) return true;
    const std::vector<std::string>&allowed = *r.allowed_tools, &names = r.tool_names;
    for (const std::string& name : allowed)
        if (std::find(names.begin(), names.end(), name) == names.end())
            return r.fail(
                "tool_choice.allowed_tools",
                fmt::format("tool_choice.allowed_tools: no tool is named \"{}\"", excerpt(name)));
    std::vector<std::string> kept;
    for (size_t i = 0; i < tools.size(); i++)
        if (std::find(allowed.begin(), allowed.end(), names[i]) != allowed.end())
            kept.push_back(std::move(tools[i]));
    tools = std::move(kept);
    return true;
}

void apply_defaults(const GenerationDefaults& defaults, SamplingParams& sampling) {
    sampling.temperature = defaults.temperature.value_or(sampling.temperature);
    sampling.top_p = defaults.top_p.value_or(sampling.top_p);
    sampling.min_p = defaults.min_p.value_or(sampling.min_p);
    sampling.top_k = defaults.top_k.value_or(sampling.top_k);
    sampling.repetition_penalty = defaults.repetition_penalty.value_or(sampling.repetition_penalty);
}

bool settle_prompts(RequestReader& r) {
    const std::vector<Prompt>& prompts = r.request.prompts;
    if (prompts.empty()) return r.fail("prompt", "prompt: expected a prompt");
    for (size_t i = 0; i < prompts.size(); i++)
        if (std::visit([](const auto& prompt) { return prompt.empty(); }, prompts[i]))
            return r.no_prompt(r.lists_prompts ? fmt::format("prompt[{}]", i) : "prompt");
    if (r.request.n * int(prompts.size()) > r.limits.max_choices)
        return r.fail("n", fmt::format("n: {} choices of {} prompts are more than {}", r.request.n,
                                       prompts.size(), r.limits.max_choices));
    return true;
}

/// What can only be judged with all fields read.
std::optional<ApiError> settle(RequestReader& r) {
    CompletionRequest& q = r.request;
    if (!settle_common(r)) return r.error;
    if (r.max_completion_tokens) q.max_tokens = r.max_completion_tokens;
    if (!settle_tools(r)) return r.error;
    if (q.chat && r.top_logprobs > 0 && !r.chat_logprobs)
        r.fail("top_logprobs", "top_logprobs: needs logprobs to be true");
    if (q.chat && r.chat_logprobs) q.sampling.n_logprobs = std::max(r.top_logprobs, 0);
    if (!q.chat) q.sampling.n_logprobs = r.completion_logprobs;
    if (q.echo && q.sampling.n_logprobs >= 0)
        r.fail("echo", "echo: not supported together with logprobs", "unsupported_parameter");
    if (q.echo && q.chat) r.unsupported("echo");
    if (r.best_of > 0 && r.best_of != q.n) r.unsupported("best_of");
    if (q.chat && q.messages.empty()) r.fail("messages", "messages: expected at least one");
    if (!q.chat) settle_prompts(r);
    if (q.max_tokens && q.sampling.min_tokens > *q.max_tokens)
        r.fail("min_tokens", "min_tokens: more than max_tokens");
    if ((q.include_usage || q.continuous_usage) && !q.stream)
        r.fail("stream_options", "stream_options: only with stream");
    return r.error;
}

std::optional<ApiError> parse_request(std::string_view body, unsigned scope,
                                      const GenerationDefaults& defaults,
                                      const RequestLimits& limits, CompletionRequest& request) {
    apply_defaults(defaults, request.sampling);
    RequestReader reader(limits, request);
    if (auto error = read_fields(body, scope, reader)) return error;
    return settle(reader);
}

}  // namespace

std::string render_error(const ApiError& error) {
    JsonWriter w;
    auto or_null = [&](const std::string& value) { value.empty() ? w.null() : w.string(value); };
    w.begin_object().key("error").begin_object();
    w.key("message").string(error.message).key("type").string(error.type);
    w.key("param"), or_null(error.param);
    w.key("code"), or_null(error.code);
    w.end_object().end_object();
    return w.take();
}

std::optional<ApiError> parse_chat_request(std::string_view body,
                                           const GenerationDefaults& defaults,
                                           const RequestLimits& limits,
                                           CompletionRequest& request) {
    request.chat = true;
    return parse_request(body, kChat, defaults, limits, request);
}

std::optional<ApiError> parse_completion_request(std::string_view body,
                                                 const GenerationDefaults& defaults,
                                                 const RequestLimits& limits,
                                                 CompletionRequest& request) {
    return parse_request(body, kText, defaults, limits, request);
}

std::optional<ApiError> parse_tokenize_request(std::string_view body, const RequestLimits& limits,
                                               CompletionRequest& request) {
    RequestReader reader(limits, request);
    if (auto error = read_fields(body, kTokenize, reader)) return error;
    if (!settle_common(reader)) return reader.error;
    request.chat = !request.messages.empty();
    if (request.chat == !request.prompts.empty())
        return bad_request("expected either prompt or messages");
    if (request.prompts.size() > 1) return bad_request("prompt: expected one", "prompt");
    return std::nullopt;
}

std::optional<ApiError> parse_detokenize_request(std::string_view body, const RequestLimits& limits,
                                                 std::vector<int32_t>& tokens) {
    JsonDocument document;
    if (auto error = parse_object(body, document)) return error;
    CompletionRequest request;
    RequestReader reader(limits, request);
    bool found = false, ok = true;
    for (const auto& [name, value] : document.root().members()) {
        if (name == "model" && !value.is_null())
            ok = ok && reader.string(name, value, request.model);
        if (name == "tokens") {
            found = true;
            ok = ok && reader.token_ids(name, value, size_t(kMaxTokensLimit), tokens);
        }
    }
    if (ok && !found) reader.fail("tokens", "tokens: expected a list of token ids");
    if (ok) settle_common(reader);
    return reader.error;
}

std::string render_usage(const Usage& usage) {
    return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                       R"("prompt_tokens_details":{{"cached_tokens":{}}}}})",
                       usage.prompt_tokens, usage.completion_tokens,
                       usage.prompt_tokens + usage.completion_tokens, usage.cached_tokens);
}

}  // namespace qwend
