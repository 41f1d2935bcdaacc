#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// What a tokenizer.model of SentencePiece's says (sentencepiece_model.proto), with the defaults of
/// what it leaves out; views of the file.
struct SentencePieceFile {
    enum class Type : uint8_t {
        normal = 1,
        unknown = 2,
        control = 3,
        user_defined = 4,
        unused = 5,
        byte = 6,
    };
    struct Piece {
        std::string_view text = {};
        float score = 0;
        Type type = Type::normal;
    };
    enum class Model : uint8_t { unigram = 1, bpe = 2 };

    std::vector<Piece> pieces;  // by id
    Model model = Model::unigram;
    bool byte_fallback = false;
    int32_t unknown_id = 0, begin_id = 1, end_id = 2;
    std::string_view unknown = "<unk>", begin = "<s>", end = "</s>";  // of their pieces

    std::string_view charsmap = {};  // of text before it is taken apart; empty: none
    bool adds_prefix = true;         // a mark before a text
    bool removes_spaces = true;      // at both ends, and all but one elsewhere
    bool escapes_spaces = true;      // they are marks
};

/// Throws LoadError naming `source`: it is no such file, larger than any is, has no pieces, one
/// that is empty, too long, not UTF-8 or there twice, more to search text for than can be held, a
/// score that is no number, or is of another kind.
SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& source);

}  // namespace qwend
