#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "model/text/added_tokens.h"
#include "model/text/read_model.h"
#include "model/text/token_texts.h"
#include "model/text/tokenizer_pipeline.h"

namespace qwend {

/// What a tokenizer is made of, however its files spell it.
struct TokenizerParts {
    WordModel model;   // what makes ids of words
    TokenTexts texts;  // of the vocabulary
    std::vector<AddedToken> added_tokens;
    Normalizer normalizer;                // of text before it is taken apart; Qwen2's own is NFC
    std::optional<SplitPatterns> splits;  // it is taken apart by these; empty: by Qwen2's regex
    TokensAround around;                  // special tokens around a prompt; Qwen2's own has none
};

/// The texts of a vocabulary, which a decoder makes of its tokens.
inline TokenTexts make_texts(const Vocab& vocab, TokenDecoder decoder) {
    TokenTexts texts(std::move(decoder));
    for (auto [token, id] : vocab) texts.set(id, token);
    return texts;
}

}  // namespace qwend
