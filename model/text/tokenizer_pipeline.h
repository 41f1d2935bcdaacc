#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/json.h"
#include "model/text/normalizer.h"
#include "model/text/split_patterns.h"
#include "model/text/token_decoder.h"

namespace qwend {

/// The steps of a tokenizer.json around its model: how they are spelled. All throw LoadError, with
/// the name of the file, for a step that is not known, since text would be encoded differently.

inline constexpr int64_t kMaxTokenId = 10'000'000;

/// What text goes through first; a normalizer that is null does nothing.
Normalizer read_normalizer(const JsonFile& json);

/// What takes text apart.
struct PreTokenizer {
    std::optional<SplitPatterns> splits = {};  // empty: Qwen2's own, for which there is a matcher
                                               // (pretokenizer.h)
    bool is_byte_level = true;  // the vocabulary is asked for bytes, in GPT-2's alphabet
};
/// Null: text stays in one piece. Bytes are left to the model if it `takes_bytes`, else spelled
/// here.
PreTokenizer read_pretokenizer(const JsonFile& json, bool takes_bytes);

/// What makes text of tokens. Null: bytes where they are `is_byte_level`, else, as Hugging Face's
/// has it, spaces between them.
TokenDecoder read_decoder(const JsonFile& json, bool is_byte_level);

/// The special tokens that the post-processor puts around one text.
struct TokensAround {
    std::vector<int32_t> prefix, suffix;
};
TokensAround read_post_processor(const JsonFile& json);

}  // namespace qwend
