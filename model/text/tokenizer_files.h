#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "model/text/tokenizer_parts.h"

namespace qwend {

/// From the text of a tokenizer.json. Throws LoadError naming `source` for anything but such a
/// pipeline (see tokenizer_pipeline.h) around a model (see read_model.h), since it would encode
/// differently. BPE's dropout is for training, and left out.
TokenizerParts parse_tokenizer_json(std::string_view text, const std::string& source);

/// From DIR/tokenizer.json, else vocab.json + merges.txt, else tokenizer.model (see
/// read_sentencepiece.h), these with the added tokens of tokenizer_config.json or, older,
/// added_tokens.json; or from a GGUF file (see read_gguf.h). Throws LoadError.
TokenizerParts load_tokenizer_parts(const std::filesystem::path& dir);

/// What DIR/tokenizer_config.json, else special_tokens_map.json, or a GGUF file calls by a name.
/// "eos_token" is the end of a turn where a checkpoint was tuned to end them otherwise than
/// config.json says. Throws LoadError.
std::optional<std::string> load_special_token(const std::filesystem::path& dir,
                                              std::string_view name);

}  // namespace qwend
