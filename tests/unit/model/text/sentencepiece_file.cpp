// Models of SentencePiece's, written here. What text becomes with them is in
// read_sentencepiece.cpp.

#include "model/text/sentencepiece_file.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <string_view>

#include "model/error.h"
#include "tests/unit/protobuf_writer.h"
#include "tests/unit/sentencepiece_models.h"

using namespace qwend;

namespace {

using Type = SentencePieceFile::Type;

std::string trainer(const ProtobufWriter& fields) {
    return ProtobufWriter().bytes(2, fields.message).message;
}
std::string normalizer(const ProtobufWriter& fields) {
    return ProtobufWriter().bytes(3, fields.message).message;
}

/// More than text is searched for.
std::string many_marks() {
    std::string pieces;
    for (int i = 0; i < 600; i++)
        pieces += piece_of(std::to_string(i) + std::string(2000, 'a'), 0, 4);
    return pieces;
}

}  // namespace

TEST_CASE("sentencepiece_file: what a file leaves out has SentencePiece's defaults") {
    const std::string bytes = piece_of("<unk>", 0, 2) + piece_of("a", -1.5F);
    const SentencePieceFile file = parse_sentencepiece(bytes, "test");
    REQUIRE(file.pieces.size() == 2);
    CHECK(file.pieces[0].type == Type::unknown);
    CHECK((file.pieces[1].text == "a" && file.pieces[1].score == -1.5F));
    CHECK(file.pieces[1].type == Type::normal);
    CHECK(file.model == SentencePieceFile::Model::unigram);
    CHECK_FALSE(file.byte_fallback);
    CHECK((file.unknown_id == 0 && file.begin_id == 1 && file.end_id == 2));
    CHECK((file.unknown == "<unk>" && file.begin == "<s>" && file.end == "</s>"));
    CHECK((file.adds_prefix && file.removes_spaces && file.escapes_spaces));
    CHECK(file.charsmap.empty());
}

TEST_CASE("sentencepiece_file: what a file says counts, the last time it does") {
    const std::string bytes =
        piece_of("a", 0, 6) + piece_of("b", 0, 9) +
        trainer(
            ProtobufWriter().varint(3, 1).varint(3, 2).varint(35, 1).varint(40, 1).bytes(45, "?")) +
        trainer(
            ProtobufWriter().varint(41, uint64_t(-1)).varint(42, 0).bytes(46, "(").bytes(47, ")")) +
        normalizer(ProtobufWriter().bytes(2, "map").varint(3, 0).varint(4, 0).varint(5, 0)) +
        // Other fields, and those of a kind that is not theirs, are nobody's.
        ProtobufWriter().bytes(4, "x").varint(1, 7).fixed64(99, 1).message +
        trainer(ProtobufWriter().bytes(3, "x").varint(45, 4).fixed32(35, 0));
    const SentencePieceFile file = parse_sentencepiece(bytes, "test");
    CHECK(file.pieces[0].type == Type::byte);
    CHECK(file.pieces[1].type == Type::normal);
    CHECK(file.model == SentencePieceFile::Model::bpe);
    CHECK(file.byte_fallback);
    CHECK((file.unknown_id == 1 && file.begin_id == -1 && file.end_id == 0));
    CHECK((file.unknown == "?" && file.begin == "(" && file.end == ")"));
    CHECK_FALSE((file.adds_prefix || file.removes_spaces || file.escapes_spaces));
    CHECK(file.charsmap == "map");
}

TEST_CASE("sentencepiece_file: what is no model that can be served is refused by name") {
    const std::string a = piece_of("a");
    struct Case {
        std::string bytes;
        const char* expected;
    };
    for (const Case& c :
         {Case{"", "SentencePiece's, found no pieces"},
          Case{"IQ== 0\nIg== 1\n", "found no pieces"},  // a list of tiktoken's
          Case{a + piece_of(""), "piece 1: expected a text"},
          Case{piece_of(std::string(2049, 'a')), "of 1 to 2048 bytes, found 2049"},
          Case{a + piece_of("\xE4\xB8"), "piece 1: expected UTF-8"},
          Case{a + piece_of("b") + a, "piece 2: \"a\" is there twice"},
          Case{piece_of("a", std::numeric_limits<float>::quiet_NaN()),
               "piece 0: expected a number"},
          Case{piece_of("a", -std::numeric_limits<float>::infinity()),
               "piece 0: expected a number"},
          Case{a + trainer(ProtobufWriter().varint(3, 3)), "unigram (1) or bpe (2), found 3"},
          Case{a + trainer(ProtobufWriter().varint(40, 1)),
               "expected unk_id to be a piece, found 1"},
          Case{a + trainer(ProtobufWriter().varint(40, uint64_t(-1))), "a piece, found -1"},
          Case{a + trainer(ProtobufWriter().bytes(46, "\xFF")), "bos_piece: expected UTF-8"},
          Case{a + trainer(ProtobufWriter().varint(24, 1)), "treat_whitespace_as_suffix"},
          Case{ProtobufWriter()
                   .bytes(1,
                          "\x0A\x05"
                          "a")
                   .message,
               "behind the end"},
          Case{many_marks(), "at most 1024 KiB of control"},
          Case{std::string((32 << 20) + 1, 'a'), "at most 32 MiB"}}) {
        CAPTURE(c.expected);
        CHECK_THROWS_WITH_AS(parse_sentencepiece(c.bytes, "test"), doctest::Contains(c.expected),
                             LoadError);
        CHECK_THROWS_WITH_AS(parse_sentencepiece(c.bytes, "test"), doctest::Contains("test: "),
                             LoadError);
    }
}
