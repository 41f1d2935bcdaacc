// What becomes of pieces, by hand; beside transformers it is in read_sentencepiece.cpp.

#include "model/text/sentencepiece_pipeline.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/error.h"
#include "tests/unit/protobuf_writer.h"
#include "tests/unit/sentencepiece_models.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;

std::string bpe(const std::string& pieces, bool has_bytes = false) {
    ProtobufWriter trainer;
    trainer.varint(3, 2).varint(35, has_bytes);
    return piece_of("<unk>", 0, 2) + pieces + ProtobufWriter().bytes(2, trainer.message).message;
}

TokenizerParts make(const std::string& bytes, const SentencePieceUse& use = {}) {
    Vocab vocab;
    return make_sentencepiece_parts(parse_sentencepiece(bytes, "test"), use, "test", vocab);
}

Ids encode(const TokenizerParts& parts, std::string_view word) {
    Ids ids;
    std::visit([&](const auto& model) { model.encode(word, ids); }, parts.model);
    return ids;
}

SentencePieceUse llama() {
    SentencePieceUse use;
    use.is_llama = true;
    return use;
}

}  // namespace

TEST_CASE("sentencepiece_pipeline: the best score merges first, for LlamaTokenizer the lowest id") {
    // 1 a, 2 b, 3 c, 4 ab, 5 bc, of which the second has the better score.
    const std::string bytes = bpe(piece_of("a", -9) + piece_of("b", -9) + piece_of("c", -9) +
                                  piece_of("ab", -2) + piece_of("bc", -1));
    CHECK(encode(make(bytes), "abc") == Ids{1, 5});
    CHECK(encode(make(bytes, llama()), "abc") == Ids{4, 3});
    // Of the same score it is the lowest id.
    const std::string even =
        bpe(piece_of("a") + piece_of("b") + piece_of("c") + piece_of("bc") + piece_of("ab"));
    CHECK(encode(make(even), "abc") == Ids{1, 4});
}

TEST_CASE("sentencepiece_pipeline: only normal pieces merge, but for LlamaTokenizer all") {
    for (const uint64_t type : {3, 5, 6}) {
        const std::string bytes = bpe(piece_of("a") + piece_of("b") + piece_of("ab", 0, type));
        CHECK(encode(make(bytes), "ab") == Ids{1, 2});
        CHECK(encode(make(bytes, llama()), "ab") == Ids{3});
    }
}

TEST_CASE("sentencepiece_pipeline: a piece that takes another's name is refused, a change is not") {
    const std::string bytes = bpe(piece_of("a") + piece_of("b") + piece_of("ab", 0, 3));
    SentencePieceUse use;
    use.names = {{1, "b"}, {2, "a"}, {3, "<end>"}, {77, "c"}};
    CHECK(encode(make(bytes, use), "ab") == Ids{2, 1});
    use.names = {{1, "b"}};  // a piece that keeps its name
    CHECK(encode(make(bytes, use), "ab") == Ids{1, 2});
    use.names = {{1, "c"}, {2, "c"}};
    CHECK_THROWS_WITH_AS(make(bytes, use), doctest::Contains("\"c\" is there twice"), LoadError);
    use.is_llama = true;  // which adds them as tokens of their own
    CHECK(encode(make(bytes, use), "ab") == Ids{3});
}

TEST_CASE("sentencepiece_pipeline: what would be other than SentencePiece's is refused") {
    CHECK_THROWS_WITH_AS(make(piece_of("<unk>", 0, 2) + piece_of("a"), llama()),
                         doctest::Contains("LlamaTokenizer, found unigram"), LoadError);
    ProtobufWriter trainer;
    trainer.varint(3, 2).bytes(45, "<none>");
    const std::string unknown = piece_of("a") + ProtobufWriter().bytes(2, trainer.message).message;
    CHECK_THROWS_WITH_AS(make(unknown), doctest::Contains("unk_piece to be a piece"), LoadError);
    const std::string charsmap =
        ProtobufWriter().bytes(3, ProtobufWriter().bytes(2, "no map").message).message;
    CHECK_THROWS_WITH_AS(make(bpe(charsmap)), doctest::Contains("test: normalizer"), LoadError);
    CHECK(encode(make(bpe(charsmap + piece_of("a")), llama()), "a") == Ids{1});  // never asks
}

TEST_CASE("sentencepiece_pipeline: pieces that are too long to merge are refused at once") {
    std::string rows;  // each piece is two of those before in many ways
    for (const char letter : {'a', 'b'})
        for (size_t n = 1; n <= 2048; n++) rows += piece_of(std::string(n, letter));
    CHECK_THROWS_WITH_AS(make(bpe(rows)), doctest::Contains("shorter pieces"), LoadError);
    CHECK(encode(make(rows), "aab") == Ids{1, 2048});  // a Unigram is not made of pairs
}
