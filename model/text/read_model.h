#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/json.h"
#include "model/text/bpe.h"
#include "model/text/unigram.h"
#include "model/text/word_level.h"
#include "model/text/word_piece.h"

namespace qwend {

/// What makes ids of words: the model of a tokenizer.json. All throw LoadError with the name of the
/// file.

using WordModel = std::variant<Bpe, Unigram, WordPiece, WordLevel>;

/// Tokens and their ids; views of the file.
using Vocab = std::vector<std::pair<std::string_view, int32_t>>;
Vocab read_vocab(const JsonFile& json, simdjson::dom::object object);

/// The parts that merges put together, in order of rank; views of the file.
using Merges = std::vector<std::pair<std::string_view, std::string_view>>;

struct FoundModel {
    std::string type;
    simdjson::dom::object fields;
    bool takes_bytes;  // words come as bytes, and are spelled in GPT-2's alphabet by the model
};
/// Older files leave the type out: the fields tell it, as they do for Hugging Face's.
FoundModel find_model(const JsonFile& json);

/// `vocab` becomes that of the model.
WordModel read_model(const JsonFile& json, const FoundModel& found, bool is_byte_level,
                     Vocab& vocab);

}  // namespace qwend
