#include "daemon/api/vector_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

#include "model/text/chat.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// Of a request, as more than a body of one token a byte may have: a query that is paired with many
/// documents is there with each.
constexpr size_t kMaxTokens = 1 << 23;

/// The prompts that sentence-transformers looks for, in its encode_query and encode_document.
std::span<const char* const> names_of(TextRole role) {
    static constexpr const char* kQuery[] = {"query"};
    static constexpr const char* kDocument[] = {"document", "passage", "corpus"};
    if (role == TextRole::query) return kQuery;
    if (role == TextRole::document) return kDocument;
    return {};
}

void keep_first(std::vector<int32_t>& tokens, std::optional<int> most) {
    if (most && tokens.size() > size_t(*most)) tokens.resize(size_t(*most));
}

}  // namespace

VectorKind vector_kind(const ModelConfig& config) {
    switch (config.head) {
        case HeadKind::classes:
            return VectorKind::classes;
        case HeadKind::reward:
            return VectorKind::reward;
        case HeadKind::process_reward:
            return VectorKind::steps;
        case HeadKind::text:
        case HeadKind::none:
            break;
    }
    return VectorKind::embedding;
}

ApiError makes_no(std::string_view what, const ModelText& model) {
    const char* instead = "";
    switch (vector_kind(model.config)) {
        case VectorKind::embedding:
            instead = "makes embeddings: POST /v1/embeddings";
            break;
        case VectorKind::classes:
            instead = "classifies: POST /classify";
            break;
        case VectorKind::reward:
        case VectorKind::steps:
            instead = "rewards: POST /pooling";
            break;
    }
    return bad_request(
        fmt::format("the model \"{}\" makes no {}; it {}", model.names[0], what, instead), "model",
        "unsupported_model");
}

bool InputEncoder::fail(ApiError error) {
    if (!error_) error_ = std::move(error);
    return false;
}

/// What stands before a text; nullptr: the model has no prompt of the name that was asked for.
const std::string* InputEncoder::prompt(TextRole role) {
    const EmbedderConfig& embedder = model_.embedder;
    if (options_.prompt_name) {
        const auto found = embedder.prompts.find(*options_.prompt_name);
        if (found != embedder.prompts.end()) return &found->second;
        std::string names;
        for (const auto& [name, _] : embedder.prompts) names += (names.empty() ? "" : ", ") + name;
        fail(
            bad_request(fmt::format("prompt_name: the model has no prompt \"{}\"; it has {}",
                                    excerpt(*options_.prompt_name), names.empty() ? "none" : names),
                        "prompt_name"));
        return nullptr;
    }
    for (const char* name : names_of(role))
        if (const auto found = embedder.prompts.find(name); found != embedder.prompts.end())
            return &found->second;
    return &embedder.default_prompt;
}

/// With what the tokenizer puts around a text, and what gte's code puts behind it.
std::vector<int32_t> InputEncoder::finished(std::vector<int32_t> tokens) const {
    if (!options_.add_special_tokens.value_or(true)) return tokens;
    model_.tokenizer.add_special_tokens(tokens);
    const auto end = model_.text_end_id;
    if (end && (tokens.empty() || tokens.back() != *end)) tokens.push_back(*end);
    return tokens;
}

void InputEncoder::truncate(std::vector<int32_t>& tokens, size_t n_special) const {
    if (!options_.truncate_prompt_tokens) return;
    int most = *options_.truncate_prompt_tokens;
    if (most == kToContext) most = context_limit_;
    const size_t n = size_t(most) - std::min(size_t(most), n_special);
    if (tokens.size() <= n) return;
    if (options_.keeps_end)
        tokens.erase(tokens.begin(), tokens.end() - ptrdiff_t(n));
    else
        tokens.resize(n);
}

bool InputEncoder::add(const Prompt& input, const std::string& param, TextRole role,
                       std::optional<int> most) {
    if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) {
        std::vector<int32_t> tokens = *ids;
        truncate(tokens, 0);
        return add_tokens(std::move(tokens), param);
    }
    const std::string* before = prompt(role);
    if (!before) return false;
    const auto& text = std::get<std::string>(input);
    if (model_.embedder.renders_chat) return add_chat(*before, text, param);
    std::vector<int32_t> tokens = model_.tokenizer.encode_with_added_tokens(*before + text);
    keep_first(tokens, most);
    truncate(tokens, n_special());
    if (!add_tokens(finished(std::move(tokens)), param)) return false;
    if (model_.embedder.pools_prompt || before->empty()) return true;
    VectorInput& made = inputs_.back();
    const size_t n_before = model_.tokenizer.encode_with_added_tokens(*before).size();
    made.begin = int(std::min(n_before, made.tokens.size() - 1));
    return true;
}

/// What was trained with sentence-transformers' messages sees a text as what a user says.
bool InputEncoder::add_chat(const std::string& prompt, const std::string& text,
                            const std::string& param) {
    std::vector<ChatMessage> messages;
    const auto say = [&](const char* role, const std::string& content) {
        ChatMessage& message = messages.emplace_back();
        message.role = role, message.content = content;
    };
    if (!prompt.empty()) say("system", prompt);
    say("user", text);
    ChatOptions options;
    options.add_generation_prompt = false;
    const RenderResult rendered = render_chat(model_.chat_template, messages, options);
    if (!rendered.error.empty()) return fail(bad_request(param + ": " + rendered.error, param));
    std::vector<int32_t> tokens =
        model_.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans);
    truncate(tokens, 0);
    return add_tokens(std::move(tokens), param);
}

bool InputEncoder::add_pair(const std::string& query, const std::string& document,
                            const std::string& param, std::optional<int> most) {
    std::vector<int32_t> tokens = model_.tokenizer.encode_with_added_tokens(query);
    std::vector<int32_t> rest = model_.tokenizer.encode_with_added_tokens(document);
    keep_first(rest, most);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    truncate(tokens, n_special());
    return add_tokens(finished(std::move(tokens)), param);
}

/// A classifier looks at the last token that is no padding, and those after it are seen by none
/// before them.
bool InputEncoder::add_tokens(std::vector<int32_t> tokens, const std::string& param) {
    if (tokens.empty())
        return fail(
            bad_request(fmt::format("{}: expected text or token ids, found none", param), param));
    if (tokens.size() > size_t(context_limit_))
        return fail(bad_request(
            fmt::format("This model's maximum context length is {} tokens, and {} is too long: it "
                        "has {}; shorten it, or set truncate_prompt_tokens to -1",
                        context_limit_, param, tokens.size()),
            param, "context_length_exceeded"));
    n_tokens_ += tokens.size();
    if (n_tokens_ > kMaxTokens)
        return fail(bad_request(
            fmt::format("{}: the texts of this request have more than {} tokens, with what stands "
                        "before each of them; send them in several requests",
                        param, kMaxTokens),
            param));
    const auto padding = model_.config.pad_token_id;
    if (model_.config.head == HeadKind::classes && padding)
        while (tokens.size() > 1 && tokens.back() == *padding) tokens.pop_back();
    inputs_.push_back({std::move(tokens), 0});
    return true;
}

}  // namespace qwend
