#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/added_tokens.h"
#include "model/text/bpe.h"

namespace qwend {

/// What a tokenizer is made of, however its files spell it.
struct TokenizerParts {
    Bpe bpe;
    std::vector<AddedToken> added_tokens;
    bool is_nfc = true;                   // text is normalised so before it is taken apart
    std::vector<int32_t> prefix, suffix;  // special tokens around a prompt; Qwen's own has none
};

/// From the text of a tokenizer.json. Throws LoadError naming `source` for anything that is not
/// Qwen2's pipeline (NFC or nothing, the published regex, byte-level BPE), since it would encode
/// differently.
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
