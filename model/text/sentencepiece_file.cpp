#include "model/text/sentencepiece_file.h"

#include <fmt/core.h>

#include <bit>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "model/error.h"
#include "model/text/protobuf_reader.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using File = SentencePieceFile;
using Field = ProtobufReader::Field;

constexpr size_t kMostBytes = size_t{32} << 20;  // a million pieces take half of it
constexpr size_t kMostPieceBytes = 2048;  // SentencePiece makes none of more than 512 characters
constexpr size_t kMostSearchedBytes = size_t{1} << 20;  // finding one takes hundreds of memory

struct Parser {
    const std::string& source;
    File file = {};
    int32_t model = 1;  // as the file numbers them
    bool marks_ends = false;

    [[noreturn]] void fail(std::string_view what) const {
        throw LoadError(fmt::format("{}: {}", source, what));
    }

    /// Calls take(field) for every field of a message.
    template <class Take>
    void read(std::string_view message, const Take& take) const {
        ProtobufReader reader(message, source);
        while (const auto field = reader.next()) take(*field);
    }

    void read_piece(std::string_view message);
    void read_trainer(std::string_view message);
    void read_normalizer(std::string_view message);
    void check_text(std::string_view text, std::string_view name) const;
    void check() const;
};

// A field of another kind than its own is unknown to protobuf, and left out; a field that is there
// twice is what it is the second time.

void take(const Field& field, bool& value) {
    if (field.is_varint()) value = field.bits != 0;
}

void take(const Field& field, int32_t& value) {
    if (field.is_varint()) value = int32_t(uint32_t(field.bits));
}

void take(const Field& field, std::string_view& value) {
    if (field.is_bytes()) value = field.bytes;
}

void Parser::read_piece(std::string_view message) {
    File::Piece piece;
    read(message, [&](const Field& field) {
        if (field.number == 1) take(field, piece.text);
        if (field.number == 2 && field.is_fixed32())
            piece.score = std::bit_cast<float>(uint32_t(field.bits));
        if (field.number == 3 && field.is_varint() && field.bits >= 1 && field.bits <= 6)
            piece.type = File::Type(field.bits);
    });
    file.pieces.push_back(piece);
}

void Parser::read_trainer(std::string_view message) {
    read(message, [&](const Field& field) {
        switch (field.number) {
            case 3:
                return take(field, model);
            case 24:
                return take(field, marks_ends);
            case 35:
                return take(field, file.byte_fallback);
            case 40:
                return take(field, file.unknown_id);
            case 41:
                return take(field, file.begin_id);
            case 42:
                return take(field, file.end_id);
            case 45:
                return take(field, file.unknown);
            case 46:
                return take(field, file.begin);
            case 47:
                return take(field, file.end);
        }
    });
}

void Parser::read_normalizer(std::string_view message) {
    read(message, [&](const Field& field) {
        switch (field.number) {
            case 2:
                return take(field, file.charsmap);
            case 3:
                return take(field, file.adds_prefix);
            case 4:
                return take(field, file.removes_spaces);
            case 5:
                return take(field, file.escapes_spaces);
        }
    });
}

void Parser::check_text(std::string_view text, std::string_view name) const {
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        if (!c.valid) fail(fmt::format("{}: expected UTF-8", name));
        at += size_t(c.length);
    }
}

void Parser::check() const {
    if (file.pieces.empty()) fail("expected a model of SentencePiece's, found no pieces");
    if (model != 1 && model != 2)
        fail(fmt::format("expected a model of type unigram (1) or bpe (2), found {}", model));
    if (marks_ends) fail("treat_whitespace_as_suffix is not supported");
    size_t n_searched = 0;  // bytes of the pieces that text is searched for
    std::unordered_set<std::string_view> texts;
    texts.reserve(file.pieces.size());
    for (size_t id = 0; id < file.pieces.size(); id++) {
        const File::Piece& piece = file.pieces[id];
        const std::string name = fmt::format("piece {}", id);
        if (piece.text.empty() || piece.text.size() > kMostPieceBytes)
            fail(fmt::format("{}: expected a text of 1 to {} bytes, found {}", name,
                             kMostPieceBytes, piece.text.size()));
        check_text(piece.text, name);
        if (!texts.insert(piece.text).second)
            fail(fmt::format("{}: \"{}\" is there twice", name, excerpt(piece.text)));
        if (!std::isfinite(piece.score)) fail(name + ": expected a number as its score");
        if (piece.type == File::Type::control || piece.type == File::Type::user_defined)
            n_searched += piece.text.size();
    }
    if (n_searched > kMostSearchedBytes)
        fail(fmt::format("expected at most {} KiB of control and user-defined pieces, found {}",
                         kMostSearchedBytes >> 10, n_searched >> 10));
    check_text(file.unknown, "unk_piece");
    check_text(file.begin, "bos_piece");
    check_text(file.end, "eos_piece");
    if (file.unknown_id < 0 || size_t(file.unknown_id) >= file.pieces.size())
        fail(fmt::format("expected unk_id to be a piece, found {}", file.unknown_id));
}

}  // namespace

SentencePieceFile parse_sentencepiece(std::string_view bytes, const std::string& source) {
    Parser parser{source};
    if (bytes.size() > kMostBytes)
        parser.fail(
            fmt::format("expected a model of SentencePiece's, at most {} MiB, found {} bytes",
                        kMostBytes >> 20, bytes.size()));
    parser.read(bytes, [&](const Field& field) {
        if (!field.is_bytes()) return;
        if (field.number == 1) parser.read_piece(field.bytes);
        if (field.number == 2) parser.read_trainer(field.bytes);
        if (field.number == 3) parser.read_normalizer(field.bytes);
    });
    parser.check();
    parser.file.model = File::Model(parser.model);
    return std::move(parser.file);
}

}  // namespace qwend
