#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "model/text/read_model.h"
#include "model/text/sentencepiece_file.h"
#include "model/text/tokenizer_parts.h"

namespace qwend {

/// How a model of SentencePiece's is taken, which a folder says beside it.
struct SentencePieceUse {
    /// By LlamaTokenizer's rules, which ask the file for its pieces alone; false: by its own.
    bool is_llama = false;
    bool prefixes_all = true;  // a mark before each text between added tokens, not the first alone
    bool prefixes = true;      // LlamaTokenizer's: a mark at all
    /// What pieces are called instead, by id; those of a Unigram keep their names.
    std::vector<std::pair<int32_t, std::string>> names = {};
    /// Added tokens that text is searched for before; what spells one then is to stay text.
    std::unordered_set<std::string> marks = {};
};

/// The pipeline that transformers 5 makes of a model, without added tokens. `vocab` becomes that of
/// the model; both are views of the file and of the names. Throws LoadError naming `source`: pieces
/// of the same name, none for what is unknown, too long ones to find what merges into them, or a
/// Unigram for LlamaTokenizer, which makes other ids of it than SentencePiece.
TokenizerParts make_sentencepiece_parts(const SentencePieceFile& file, const SentencePieceUse& use,
                                        const std::string& source, Vocab& vocab);

}  // namespace qwend
