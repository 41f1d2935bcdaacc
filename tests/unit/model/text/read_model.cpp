// Models as files spell them: which one it is where no type says it, and what each needs.

#include "model/text/read_model.h"

#include <doctest/doctest.h>

#include <string>
#include <variant>

#include "model/error.h"
#include "model/json.h"

using namespace qwend;

namespace {

WordModel model_of(const std::string& fields) {
    const JsonFile json("{\"model\":{" + fields + "}}", "test");
    Vocab vocab;
    WordModel model = read_model(json, find_model(json), false, vocab);
    CHECK(vocab.size() == 1);
    CHECK(vocab[0].first == "u");
    return model;
}

const std::string kVocab = R"("vocab":{"u":0})";
const std::string kPiece =
    R"(,"unk_token":"u","continuing_subword_prefix":"##","max_input_chars_per_word":9)";

}  // namespace

TEST_CASE("read_model: fields tell the model where no type does") {
    // As Hugging Face's tokenizers takes these.
    CHECK(std::holds_alternative<Bpe>(model_of(kVocab + R"(,"merges":[])" + kPiece)));
    CHECK(std::holds_alternative<WordPiece>(model_of(kVocab + kPiece)));
    CHECK(std::holds_alternative<WordLevel>(model_of(kVocab + R"(,"unk_token":"u")")));
    CHECK(std::holds_alternative<WordLevel>(
        model_of(kVocab + R"(,"unk_token":"u","continuing_subword_prefix":"##")")));
    CHECK(std::holds_alternative<Unigram>(model_of(R"("vocab":[["u",0.5]],"unk_id":0)")));
    CHECK(std::holds_alternative<WordLevel>(model_of(kVocab + kPiece + R"(,"type":"WordLevel")")));
}

TEST_CASE("read_model: a model that lacks what it needs is refused by name") {
    struct Case {
        std::string fields;
        const char* message;
    };
    const std::string piece = R"("type":"WordPiece",)";
    for (
        const Case& c :
        {Case{kVocab, "expected model.vocab and model.merges"},
         Case{piece + kVocab, "model: WordPiece: expected a unk_token"},
         Case{piece + R"("unk_token":"u")", "expected model.vocab"},
         Case{piece + R"("vocab":{"u":"0"})", "vocab: token \"u\": expected an id"},
         Case{piece + kVocab + R"(,"unk_token":"u")", "expected a continuing_subword_prefix"},
         Case{piece + kVocab + R"(,"unk_token":"v","continuing_subword_prefix":"")",
              "unk_token \"v\" is not in the vocabulary"},
         Case{
             piece + kVocab +
                 R"(,"unk_token":"u","continuing_subword_prefix":"","max_input_chars_per_word":-1)",
             "WordPiece's max_input_chars_per_word: expected a number from 0 on"},
         Case{R"("type":"WordLevel",)" + kVocab, "model: WordLevel: expected a unk_token"},
         Case{R"("type":"WordLevel","unk_token":"v",)" + kVocab, "not in the vocabulary"},
         Case{R"("type":3,)" + kVocab, "expected BPE, Unigram, WordPiece or WordLevel"}}) {
        CAPTURE(c.fields);
        CHECK_THROWS_WITH_AS(model_of(c.fields), doctest::Contains(c.message), LoadError);
    }
}
