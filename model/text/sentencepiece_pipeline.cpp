#include "model/text/sentencepiece_pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "model/error.h"
#include "model/text/charsmap.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using File = SentencePieceFile;
using Type = File::Type;

constexpr char kMark[] = "\u2581";
constexpr size_t kMostSplitBytes = size_t{1} << 32;  // that are hashed; some seconds
constexpr size_t kMostMerges = size_t{1} << 23;      // sixteen times Gemma's

[[noreturn]] void fail(const std::string& source, const std::string& what) {
    throw LoadError(source + ": " + what);
}

/// Pieces with the names they have now.
Vocab named_vocab(const File& file, const SentencePieceUse& use, const std::string& source) {
    Vocab vocab;
    for (size_t id = 0; id < file.pieces.size(); id++)
        vocab.emplace_back(file.pieces[id].text, int32_t(id));
    if (file.model != File::Model::bpe || use.is_llama || use.names.empty()) return vocab;
    std::vector<bool> has_name(vocab.size());
    for (const auto& [id, name] : use.names)
        if (size_t(id) < vocab.size()) has_name[size_t(id)] = true;
    std::unordered_set<std::string_view> kept;  // two pieces may change names, but not take one
    for (const auto& [text, id] : vocab)
        if (!has_name[size_t(id)]) kept.insert(text);
    for (const auto& [id, name] : use.names)
        if (size_t(id) < vocab.size() && !kept.contains(name)) vocab[size_t(id)].first = name;
    std::unordered_set<std::string_view> all;
    for (const auto& [text, id] : vocab)
        if (!all.insert(text).second)
            fail(source,
                 fmt::format("\"{}\" is there twice by added_tokens_decoder", excerpt(text)));
    return vocab;
}

/// Every two pieces that are a third together, the best first: those of the highest score by the
/// file's own rules, which merge only normal pieces, else those of the lowest id.
Merges find_merges(const File& file, const Vocab& vocab, bool is_llama, const std::string& source) {
    std::vector<int32_t> order;
    size_t n_bytes = 0;
    std::unordered_set<std::string_view> pieces;
    for (const auto& [text, id] : vocab) {
        if (!is_llama && file.pieces[size_t(id)].type != Type::normal) continue;
        order.push_back(id);
        pieces.insert(text);
        n_bytes += text.size() * text.size();
    }
    if (n_bytes > kMostSplitBytes) fail(source, "expected shorter pieces");
    if (!is_llama)
        std::ranges::stable_sort(order, std::ranges::greater{},
                                 [&](int32_t id) { return file.pieces[size_t(id)].score; });
    Merges merges;
    for (const int32_t id : order) {
        const std::string_view text = vocab[size_t(id)].first;
        for (size_t at = size_t(utf8_at(text, 0).length); at < text.size();
             at += size_t(utf8_at(text, at).length)) {
            const std::string_view left = text.substr(0, at), right = text.substr(at);
            if (!pieces.contains(left) || !pieces.contains(right)) continue;
            if (merges.size() == kMostMerges)
                fail(source, fmt::format("expected at most {} pairs of pieces that make another",
                                         kMostMerges));
            merges.emplace_back(left, right);
        }
    }
    return merges;
}

bool has_whole_pieces(const File& file) {
    return std::ranges::find(file.pieces, Type::user_defined, &File::Piece::type) !=
           file.pieces.end();
}

/// SentencePiece never takes these apart, nor makes them part of another piece.
std::vector<std::string> whole_pieces(const File& file, const SentencePieceUse& use,
                                      const Vocab& vocab) {
    std::vector<std::string> texts;
    for (const auto& [text, id] : vocab)
        if (file.pieces[size_t(id)].type == Type::user_defined &&
            !use.marks.contains(std::string(text)))
            texts.emplace_back(text);
    return texts;
}

WordModel make_bpe(const File& file, const Vocab& vocab, bool is_llama, bool ignores_merges,
                   const std::string& source) {
    const bool has_unknown =
        std::ranges::any_of(vocab, [&](const auto& entry) { return entry.first == file.unknown; });
    if (!is_llama && !file.byte_fallback && !has_unknown)
        fail(source,
             fmt::format("expected unk_piece to be a piece, found \"{}\"", excerpt(file.unknown)));
    const BpeSpelling spelling{.is_byte_level = false,
                               .byte_fallback = is_llama || file.byte_fallback,
                               .fuse_unknown = true,
                               .unknown = is_llama ? std::string() : std::string(file.unknown)};
    return Bpe(vocab, find_merges(file, vocab, is_llama, source), source, spelling, ignores_merges);
}

WordModel make_unigram(const File& file, const std::string& source) {
    std::vector<std::pair<std::string_view, double>> pieces;
    for (const File::Piece& piece : file.pieces) pieces.emplace_back(piece.text, piece.score);
    return Unigram(pieces, file.unknown_id, file.byte_fallback, source);
}

/// As SentencePiece goes about it; a text that begins with a mark still gets one.
Normalizer make_normalizer(const File& file, const SentencePieceUse& use,
                           const std::string& source) {
    Normalizer normalizer;
    if (use.is_llama) return normalizer;
    if (!file.charsmap.empty()) normalizer.add_charsmap(CharsMap::of_bytes(file.charsmap, source));
    if (file.removes_spaces) normalizer.add_single_spaces();
    if (file.escapes_spaces) normalizer.add_replace(" ", kMark, source);
    if (file.adds_prefix && use.prefixes_all)
        normalizer.add_replace("\\A" + std::string(kMark), std::string(kMark) + kMark, source);
    return normalizer;
}

TokenDecoder make_decoder(bool has_bytes, bool has_prefix, const std::string& source) {
    TokenDecoder decoder;
    decoder.add_replace(kMark, " ", source);
    if (has_bytes) decoder.add_byte_fallback();
    decoder.add_fuse();
    if (has_prefix) {
        decoder.add_strip(" ", 1, 0);
        decoder.stripped_character.assign(1, ' '), decoder.n_stripped = 1;
    }
    return decoder;
}

}  // namespace

TokenizerParts make_sentencepiece_parts(const SentencePieceFile& file, const SentencePieceUse& use,
                                        const std::string& source, Vocab& vocab) {
    const bool is_bpe = file.model == File::Model::bpe;
    if (use.is_llama && !is_bpe)
        fail(source,
             "expected a model of type bpe for LlamaTokenizer, found unigram, of which it makes "
             "other tokens than SentencePiece; without a tokenizer_class it is read as it is");
    const bool has_prefix = use.is_llama ? use.prefixes : file.adds_prefix;
    vocab = named_vocab(file, use, source);
    SplitPatterns splits;
    if (use.is_llama || has_prefix)
        splits.add_marks(kMark, !has_prefix        ? Prepends::never
                                : use.prefixes_all ? Prepends::always
                                                   : Prepends::first);
    const bool has_whole = !use.is_llama && has_whole_pieces(file);
    if (has_whole) splits.add_words(whole_pieces(file, use, vocab));
    return {.model = is_bpe ? make_bpe(file, vocab, use.is_llama, has_whole, source)
                            : make_unigram(file, source),
            .texts = make_texts(
                vocab, make_decoder(use.is_llama || file.byte_fallback, has_prefix, source)),
            .added_tokens = {},
            .normalizer = make_normalizer(file, use, source),
            .splits = std::move(splits),
            .around = {}};
}

}  // namespace qwend
