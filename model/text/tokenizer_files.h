#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
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

/// From the text of a tokenizer.json. Throws LoadError naming `source` for anything but such a
/// pipeline (see tokenizer_pipeline.h) around a model (see read_model.h), since it would encode
/// differently. BPE's dropout is for training, and left out.
TokenizerParts parse_tokenizer_json(std::string_view text, const std::string& source);

/// From DIR/tokenizer.json, else vocab.json + merges.txt with the added tokens of
/// tokenizer_config.json or, older, added_tokens.json. Throws LoadError.
TokenizerParts load_tokenizer_parts(const std::filesystem::path& dir);

/// What DIR/tokenizer_config.json, else special_tokens_map.json, calls by a name. "eos_token" is
/// the end of a turn where a checkpoint was tuned to end them otherwise than config.json says.
/// Throws LoadError.
std::optional<std::string> load_special_token(const std::filesystem::path& dir,
                                              std::string_view name);

}  // namespace qwend
