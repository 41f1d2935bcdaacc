#include "daemon/api/fill_in.h"

namespace qwend {

std::optional<FimTokens> fim_tokens(const Tokenizer& tokenizer) {
    const auto prefix = tokenizer.added_token_id("<|fim_prefix|>");
    const auto suffix = tokenizer.added_token_id("<|fim_suffix|>");
    const auto middle = tokenizer.added_token_id("<|fim_middle|>");
    if (!prefix || !suffix || !middle) return std::nullopt;
    FimTokens tokens{*prefix, *suffix, *middle, {}};
    // As llama.cpp: what is written has ended where padding, or another file, begins.
    for (const char* end : {"<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"})
        if (const auto id = tokenizer.added_token_id(end)) tokens.ends.push_back(*id);
    return tokens;
}

std::vector<int32_t> fim_prompt(const FimTokens& tokens, const std::vector<int32_t>& before,
                                const std::vector<int32_t>& after) {
    std::vector<int32_t> ids;
    ids.reserve(before.size() + after.size() + 3);
    ids.push_back(tokens.prefix);
    ids.insert(ids.end(), before.begin(), before.end());
    ids.push_back(tokens.suffix);
    ids.insert(ids.end(), after.begin(), after.end());
    ids.push_back(tokens.middle);
    return ids;
}

}  // namespace qwend
