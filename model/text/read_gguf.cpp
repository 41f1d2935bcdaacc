#include "model/text/read_gguf.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/utf8.h"

namespace qwend {

namespace {

/// What a token is, by its number in the metadata.
enum TokenType : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";

/// Pre-tokenizers of which the regex and the normal form are Qwen2's.
constexpr std::array kPretokenizers = {"qwen2", "deepseek-r1-qwen"};

/// Converters take every name in "<|…|>" for one of a control token. These are none in Qwen2.5's
/// own tokenizer.json, so that answers show them.
constexpr std::array kShown = {"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
                               "<|fim_pad|>",    "<|repo_name|>",  "<|file_sep|>"};

constexpr std::pair<const char*, const char*> kRoles[] = {
    {"bos_token", "tokenizer.ggml.bos_token_id"},
    {"eos_token", "tokenizer.ggml.eos_token_id"},
    {"unk_token", "tokenizer.ggml.unknown_token_id"},
    {"sep_token", "tokenizer.ggml.seperator_token_id"},
    {"pad_token", "tokenizer.ggml.padding_token_id"},
    {"mask_token", "tokenizer.ggml.mask_token_id"}};

std::vector<std::string_view> tokens_of(const GgufHeader& header) {
    auto tokens = header.strings(kTokens);
    if (!tokens) header.fail(fmt::format("expected the key {}, found none", kTokens));
    if (tokens->size() > size_t(kMaxTokenId))
        header.fail(fmt::format("{}: expected at most {} tokens, found {}", kTokens, kMaxTokenId,
                                tokens->size()));
    return *std::move(tokens);
}

std::optional<int32_t> id_at(const GgufHeader& header, const char* key) {
    const auto id = header.integer(key, 0, kMaxTokenId);
    return id ? std::optional(int32_t(*id)) : std::nullopt;
}

void check_kind(const GgufHeader& header) {
    const std::string_view model = header.string("tokenizer.ggml.model").value_or("none");
    if (model != "gpt2")
        header.fail(
            fmt::format("tokenizer.ggml.model: expected gpt2, found {}; serve the folder "
                        "that it was converted from",
                        model));
    const std::string_view pre = header.string("tokenizer.ggml.pre").value_or("none");
    if (std::ranges::find(kPretokenizers, pre) == kPretokenizers.end())
        header.fail(
            fmt::format("tokenizer.ggml.pre: expected {} or {}, found {}; serve the folder "
                        "that it was converted from",
                        kPretokenizers[0], kPretokenizers[1], pre));
}

Merges merges_of(const GgufHeader& header) {
    const auto lines = header.strings(kMerges);
    if (!lines) header.fail(fmt::format("expected the key {}, found none", kMerges));
    Merges merges;
    merges.reserve(lines->size());
    for (const std::string_view line : *lines) {
        const size_t space = line.find(' ', 1);  // a part has one character at least
        if (space == line.npos)
            header.fail(
                fmt::format("{}: expected \"left right\", found \"{}\"", kMerges, excerpt(line)));
        merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
}

/// Sorts tokens into those of the vocabulary and those that were added to it.
void read_tokens(const GgufHeader& header, Vocab& vocab, std::vector<AddedToken>& added) {
    const std::vector<std::string_view> tokens = tokens_of(header);
    const auto types = header.integers(kTypes, kNormal, kByte);
    if (!types || types->size() != tokens.size())
        header.fail(fmt::format("{}: expected a type for each of {} tokens, found {}", kTypes,
                                tokens.size(), types ? types->size() : 0));
    vocab.reserve(tokens.size());
    for (size_t i = 0; i < tokens.size(); i++) {
        const int64_t type = (*types)[i];
        const auto id = int32_t(i);
        if (type == kNormal) vocab.emplace_back(tokens[i], id);
        if (type == kNormal || type == kUnused) continue;  // what is unused only fills a row
        if ((type != kControl && type != kUserDefined) || tokens[i].empty())
            header.fail(
                fmt::format("{}: expected tokens that are normal, control, user-defined or "
                            "unused, found {} of type {} at {}",
                            kTypes, excerpt(tokens[i]), type, i));
        const bool is_shown = std::ranges::find(kShown, tokens[i]) != kShown.end();
        AddedToken token;
        token.id = id, token.content = tokens[i];
        token.special = type == kControl && !is_shown;
        added.push_back(std::move(token));
    }
}

/// The tokens around a prompt.
TokensAround around_of(const GgufHeader& header, const Vocab& vocab,
                       const std::vector<AddedToken>& added) {
    const auto one = [&](const char* adds, const char* key) -> std::vector<int32_t> {
        const auto id = id_at(header, key);
        if (!header.boolean(adds).value_or(false) || !id) return {};
        if (std::ranges::find(added, *id, &AddedToken::id) == added.end() &&
            std::ranges::find(vocab, *id, &Vocab::value_type::second) == vocab.end())
            header.fail(fmt::format("{}: {} is no token", key, *id));
        return {*id};
    };
    return {one("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id"),
            one("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id")};
}

}  // namespace

TokenizerParts read_gguf_tokenizer(const GgufHeader& header) {
    check_kind(header);
    Vocab vocab;
    std::vector<AddedToken> added;
    read_tokens(header, vocab, added);
    TokenDecoder decoder;
    decoder.add_byte_level();
    Normalizer normalizer;
    normalizer.add_form(NormalForm::c);
    TokensAround around = around_of(header, vocab, added);
    return {.model = Bpe(vocab, merges_of(header), header.file()),
            .texts = make_texts(vocab, std::move(decoder)),
            .added_tokens = std::move(added),
            .normalizer = std::move(normalizer),
            .splits = {},
            .around = std::move(around)};
}

std::vector<std::pair<std::string, std::string>> gguf_special_tokens(const GgufHeader& header) {
    const std::vector<std::string_view> tokens = tokens_of(header);
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto& [name, key] : kRoles) {
        const auto id = id_at(header, key);
        if (!id) continue;
        if (size_t(*id) >= tokens.size()) header.fail(fmt::format("{}: {} is no token", key, *id));
        found.emplace_back(name, tokens[size_t(*id)]);
    }
    return found;
}

std::optional<std::string> gguf_special_token(const GgufHeader& header, std::string_view role) {
    for (auto& [name, token] : gguf_special_tokens(header))
        if (name == role) return token;
    return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> gguf_templates(const GgufHeader& header) {
    const std::string key = "tokenizer.chat_template";
    std::vector<std::pair<std::string, std::string>> found;
    if (const auto text = header.string(key)) found.emplace_back("default", *text);
    for (const std::string_view name :
         header.strings("tokenizer.chat_templates").value_or(std::vector<std::string_view>()))
        if (const auto text = header.string(fmt::format("{}.{}", key, name)))
            found.emplace_back(name, *text);
    return found;
}

}  // namespace qwend
