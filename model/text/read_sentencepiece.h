#pragma once

#include <filesystem>
#include <optional>

#include "model/json.h"
#include "model/text/tokenizer_parts.h"

namespace qwend {

/// From DIR/tokenizer.model of SentencePiece's, as the class that `config`, its
/// tokenizer_config.json, names reads it in transformers 5: LlamaTokenizer by rules of its own,
/// TokenizersBackend, which PreTrainedTokenizerFast and no name are too, by the file's, as
/// SentencePiece does. AutoTokenizer does not ask for the name where config.json has the model_type
/// qwen2: it loses the spaces of every text. Throws LoadError: another class, or no such model.
TokenizerParts load_sentencepiece_parts(const std::filesystem::path& dir,
                                        const std::optional<JsonFile>& config);

}  // namespace qwend
