#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/gguf/header.h"
#include "model/text/tokenizer_parts.h"

namespace qwend {

/// The tokenizer that the metadata of a GGUF file describe: byte-level BPE with Qwen2's
/// pre-tokenizer, whose ids are those of the tokenizer.json that they were made from. Throws
/// LoadError for any other, since it would encode differently.
TokenizerParts read_gguf_tokenizer(const GgufHeader& header);

/// The tokens that have a role, by its name ("eos_token"); and one of them, empty: none has it.
std::vector<std::pair<std::string, std::string>> gguf_special_tokens(const GgufHeader& header);
std::optional<std::string> gguf_special_token(const GgufHeader& header, std::string_view role);

/// Chat templates by name, of which "default" may be the only one.
std::vector<std::pair<std::string, std::string>> gguf_templates(const GgufHeader& header);

}  // namespace qwend
