#include "daemon/openai.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "daemon/json_error.h"
#include "daemon/json_writer.h"
#include "daemon/openai_reader.h"

namespace qwend {

namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxDepth = 32;
constexpr int kMaxLogprobs = 20;

using FieldReader = bool (*)(RequestReader&, dom::element);

/// Which requests a field belongs to.
enum Scope : unsigned { kChat = 1, kText = 2, kTokenize = 4, kBoth = kChat | kText };

struct Field {
    unsigned scope;
    FieldReader read;
};

#define QWEND_FIELD(name, scope, expression)                                                     \
    {                                                                                            \
        name, {                                                                                  \
            scope,                                                                               \
                []([[maybe_unused]] RequestReader& r, [[maybe_unused]] dom::element v) -> bool { \
                    return expression;                                                           \
                }                                                                                \
        }                                                                                        \
    }

bool read_max_tokens(RequestReader& r, const char* name, dom::element v) {
    int n = 0;
    if (!r.integer(name, v, 1, kMaxTokensLimit, n)) return false;
    r.request.max_tokens = n;
    return true;
}

bool read_tool_choice(RequestReader& r, dom::element v) {
    std::string_view choice;
    if (!v.get(choice) && choice == "auto") return true;
    if (!v.get(choice) && choice == "none") {
        r.use_tools = false;
        return true;
    }
    return r.unsupported("tool_choice");
}

bool read_response_format(RequestReader& r, dom::element v) {
    std::string_view type;
    if (!v.at_key("type").get(type) && type == "text") return true;
    return r.unsupported("response_format");
}

bool read_seed(RequestReader& r, dom::element v) {
    int64_t seed = 0;
    if (!r.integer("seed", v, INT64_MIN, INT64_MAX, seed)) return false;
    r.request.seed = uint64_t(seed);
    return true;
}

bool read_top_k(RequestReader& r, dom::element v) {
    if (!r.integer("top_k", v, -1, kMaxTokensLimit, r.request.sampling.top_k)) return false;
    if (r.request.sampling.top_k < 0) r.request.sampling.top_k = 0;  // vLLM's way to say "all"
    return true;
}

bool read_logprobs(RequestReader& r, dom::element v) {
    if (r.request.chat) return r.boolean("logprobs", v, r.chat_logprobs);
    return r.integer("logprobs", v, 0, kMaxLogprobs, r.completion_logprobs);
}

bool read_truncate(RequestReader& r, dom::element v) {
    int n = 0;
    if (!r.integer("truncate_prompt_tokens", v, 1, kMaxTokensLimit, n)) return false;
    r.request.truncate_prompt_tokens = n;
    return true;
}

/// Every field we know. What is not here is counted and ignored; what is here and not possible yet
/// is refused by name.
const std::map<std::string_view, Field>& fields() {
    static const std::map<std::string_view, Field> table = {
        QWEND_FIELD("model", kBoth | kTokenize, r.string("model", v, r.request.model)),
        QWEND_FIELD("messages", kChat | kTokenize, r.messages(v)),
        QWEND_FIELD("prompt", kText | kTokenize, r.prompts(v)),
        QWEND_FIELD("max_tokens", kBoth, read_max_tokens(r, "max_tokens", v)),
        QWEND_FIELD("max_completion_tokens", kChat, read_max_tokens(r, "max_completion_tokens", v)),
        QWEND_FIELD("temperature", kBoth,
                    r.number("temperature", v, 0, 100, r.request.sampling.temperature)),
        QWEND_FIELD("top_p", kBoth, r.number("top_p", v, 1e-9, 1, r.request.sampling.top_p)),
        QWEND_FIELD("top_k", kBoth, read_top_k(r, v)),
        QWEND_FIELD("min_p", kBoth, r.number("min_p", v, 0, 1, r.request.sampling.min_p)),
        QWEND_FIELD("n", kBoth, r.integer("n", v, 1, r.limits.max_choices, r.request.n)),
        QWEND_FIELD("seed", kBoth, read_seed(r, v)),
        QWEND_FIELD("stop", kBoth, r.stops(v)),
        QWEND_FIELD("stop_token_ids", kBoth,
                    r.token_ids("stop_token_ids", v, 64, r.request.stop_token_ids)),
        QWEND_FIELD("include_stop_str_in_output", kBoth,
                    r.boolean("include_stop_str_in_output", v, r.request.include_stop)),
        QWEND_FIELD("ignore_eos", kBoth, r.boolean("ignore_eos", v, r.request.ignore_eos)),
        QWEND_FIELD("min_tokens", kBoth,
                    r.integer("min_tokens", v, 0, kMaxTokensLimit, r.request.sampling.min_tokens)),
        QWEND_FIELD("skip_special_tokens", kBoth,
                    r.boolean("skip_special_tokens", v, r.request.skip_special_tokens)),
        QWEND_FIELD("frequency_penalty", kBoth,
                    r.number("frequency_penalty", v, -2, 2, r.request.sampling.frequency_penalty)),
        QWEND_FIELD("presence_penalty", kBoth,
                    r.number("presence_penalty", v, -2, 2, r.request.sampling.presence_penalty)),
        QWEND_FIELD(
            "repetition_penalty", kBoth,
            r.number("repetition_penalty", v, 1e-3, 100, r.request.sampling.repetition_penalty)),
        QWEND_FIELD("logit_bias", kBoth, r.logit_bias(v)),
        QWEND_FIELD("allowed_token_ids", kBoth,
                    r.token_ids("allowed_token_ids", v, kMaxListedIds,
                                r.request.sampling.allowed_token_ids)),
        QWEND_FIELD("logprobs", kBoth, read_logprobs(r, v)),
        QWEND_FIELD("top_logprobs", kChat,
                    r.integer("top_logprobs", v, 0, kMaxLogprobs, r.top_logprobs)),
        QWEND_FIELD("stream", kBoth, r.boolean("stream", v, r.request.stream)),
        QWEND_FIELD("stream_options", kBoth, r.stream_options(v)),
        QWEND_FIELD("echo", kBoth, r.boolean("echo", v, r.request.echo)),
        QWEND_FIELD("best_of", kText, r.integer("best_of", v, 1, r.limits.max_choices, r.best_of)),
        QWEND_FIELD("user", kBoth, true),
        QWEND_FIELD("request_id", kBoth, r.string("request_id", v, r.request.request_id)),
        QWEND_FIELD("priority", kBoth, r.integer("priority", v, -1000, 1000, r.request.priority)),
        QWEND_FIELD("cache_salt", kBoth, r.string("cache_salt", v, r.request.cache_salt)),
        QWEND_FIELD("return_tokens_as_token_ids", kBoth,
                    r.boolean("return_tokens_as_token_ids", v, r.request.tokens_as_ids)),
        QWEND_FIELD("return_token_ids", kBoth,
                    r.boolean("return_token_ids", v, r.request.return_token_ids)),
        QWEND_FIELD(
            "add_generation_prompt", kChat | kTokenize,
            r.boolean("add_generation_prompt", v, r.request.chat_options.add_generation_prompt)),
        QWEND_FIELD(
            "continue_final_message", kChat | kTokenize,
            r.boolean("continue_final_message", v, r.request.chat_options.continue_final_message)),
        QWEND_FIELD("add_special_tokens", kBoth | kTokenize,
                    r.boolean("add_special_tokens", v, r.request.add_special_tokens)),
        QWEND_FIELD("truncate_prompt_tokens", kBoth, read_truncate(r, v)),
        QWEND_FIELD("tools", kChat | kTokenize, r.tools(v)),
        QWEND_FIELD("tool_choice", kChat, read_tool_choice(r, v)),
        QWEND_FIELD("parallel_tool_calls", kChat, true),
        QWEND_FIELD("response_format", kBoth, read_response_format(r, v)),
        QWEND_FIELD("suffix", kText, r.unsupported("suffix")),
        QWEND_FIELD("prompt_logprobs", kBoth, r.unsupported("prompt_logprobs")),
        QWEND_FIELD("bad_words", kBoth, r.unsupported("bad_words")),
        QWEND_FIELD("documents", kBoth, r.unsupported("documents")),
        QWEND_FIELD("chat_template", kBoth | kTokenize, r.unsupported("chat_template")),
        QWEND_FIELD("chat_template_kwargs", kBoth | kTokenize,
                    r.unsupported("chat_template_kwargs")),
        QWEND_FIELD("structured_outputs", kBoth, r.unsupported("structured_outputs")),
        QWEND_FIELD("guided_json", kBoth, r.unsupported("guided_json")),
        QWEND_FIELD("guided_regex", kBoth, r.unsupported("guided_regex")),
        QWEND_FIELD("guided_choice", kBoth, r.unsupported("guided_choice")),
        QWEND_FIELD("guided_grammar", kBoth, r.unsupported("guided_grammar")),
        QWEND_FIELD("functions", kChat, r.unsupported("functions")),
        QWEND_FIELD("function_call", kChat, r.unsupported("function_call")),
        QWEND_FIELD("modalities", kChat, r.unsupported("modalities")),
        QWEND_FIELD("audio", kChat, r.unsupported("audio")),
    };
    return table;
}

#undef QWEND_FIELD

/// The whole body as one JSON object without duplicate keys.
std::optional<ApiError> parse_object(std::string_view body, dom::parser& parser,
                                     simdjson::padded_string& padded, dom::object& object) {
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return bad_request("expected a JSON object, found an empty body");
    padded = simdjson::padded_string(body);
    if (parser.allocate(std::max<size_t>(body.size(), 64), kMaxDepth))
        return bad_request("the body is too large");
    dom::element root;
    if (const auto code = parser.parse(padded).get(root); code != simdjson::SUCCESS) {
        return bad_request(fmt::format("malformed JSON at byte {}: {}", json_error_offset(body),
                                       simdjson::error_message(code)));
    }
    if (root.get(object)) return bad_request("expected a JSON object");
    std::set<std::string_view> seen;
    for (auto [key, value] : object)
        if (!seen.insert(key).second)
            return bad_request(fmt::format("{}: given twice", key), std::string(key));
    return std::nullopt;
}

std::optional<ApiError> read_fields(std::string_view body, unsigned scope, RequestReader& reader) {
    dom::parser parser;
    simdjson::padded_string padded;
    dom::object object;
    if (auto error = parse_object(body, parser, padded, object)) return error;
    for (auto [key, value] : object) {
        auto found = fields().find(key);
        if (found == fields().end() || !(found->second.scope & scope)) {
            reader.request.n_unknown_fields++;
            continue;
        }
        if (value.is_null()) continue;  // the same as absent
        if (!found->second.read(reader, value)) return reader.error;
    }
    return std::nullopt;
}

void apply_defaults(const GenerationDefaults& defaults, SamplingParams& sampling) {
    sampling.temperature = defaults.temperature.value_or(sampling.temperature);
    sampling.top_p = defaults.top_p.value_or(sampling.top_p);
    sampling.min_p = defaults.min_p.value_or(sampling.min_p);
    sampling.top_k = defaults.top_k.value_or(sampling.top_k);
    sampling.repetition_penalty = defaults.repetition_penalty.value_or(sampling.repetition_penalty);
}

/// What can only be judged with all fields read.
std::optional<ApiError> settle(RequestReader& r) {
    CompletionRequest& q = r.request;
    if (!r.use_tools) q.chat_options.tools.clear();
    if (q.chat && r.top_logprobs > 0 && !r.chat_logprobs)
        r.fail("top_logprobs", "top_logprobs: needs logprobs to be true");
    if (q.chat && r.chat_logprobs) q.sampling.n_logprobs = std::max(r.top_logprobs, 0);
    if (!q.chat) q.sampling.n_logprobs = r.completion_logprobs;
    if (q.echo && q.sampling.n_logprobs >= 0)
        r.fail("echo", "echo: not supported together with logprobs", "unsupported_parameter");
    if (q.echo && q.chat) r.unsupported("echo");
    if (r.best_of > 0 && r.best_of != q.n) r.unsupported("best_of");
    if (q.chat && q.messages.empty()) r.fail("messages", "messages: expected at least one");
    if (!q.chat && q.prompts.empty()) r.fail("prompt", "prompt: expected a prompt");
    if (!q.chat && q.n * int(q.prompts.size()) > r.limits.max_choices)
        r.fail("n", fmt::format("n: {} choices of {} prompts are more than {}", q.n,
                                q.prompts.size(), r.limits.max_choices));
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

ApiError bad_request(std::string message, std::string param, std::string code) {
    return {400, "invalid_request_error", std::move(code), std::move(param), std::move(message)};
}

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
    request.chat = !request.messages.empty();
    if (request.chat == !request.prompts.empty())
        return bad_request("expected either prompt or messages");
    if (request.prompts.size() > 1) return bad_request("prompt: expected one", "prompt");
    return std::nullopt;
}

std::optional<ApiError> parse_detokenize_request(std::string_view body, const RequestLimits& limits,
                                                 std::vector<int32_t>& tokens) {
    dom::parser parser;
    simdjson::padded_string padded;
    dom::object object;
    if (auto error = parse_object(body, parser, padded, object)) return error;
    CompletionRequest unused;
    RequestReader reader(limits, unused);
    dom::element list;
    if (object.at_key("tokens").get(list))
        return bad_request("tokens: expected a list of token ids", "tokens");
    reader.token_ids("tokens", list, size_t(kMaxTokensLimit), tokens);
    return reader.error;
}

std::string render_usage(const Usage& usage) {
    return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                       R"("prompt_tokens_details":{{"cached_tokens":{}}}}})",
                       usage.prompt_tokens, usage.completion_tokens,
                       usage.prompt_tokens + usage.completion_tokens, usage.cached_tokens);
}

}  // namespace qwend
