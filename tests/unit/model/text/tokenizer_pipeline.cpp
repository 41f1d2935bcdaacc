// What fine-tunes have around the model in place of Qwen2's own steps, and other models: ids and
// texts are those of Hugging Face's tokenizers (tests/golden/pipelines.json, model_kinds.json).

#include "model/text/tokenizer_pipeline.h"

#include <doctest/doctest.h>

#include "model/error.h"
#include "model/file.h"
#include "model/text/tokenizer.h"
#include "tests/unit/demo_tokenizer.h"
#include "tests/unit/model_kinds.h"

using namespace qwend;

namespace {

std::vector<int32_t> ids_of(simdjson::dom::element value) {
    std::vector<int32_t> ids;
    const simdjson::dom::array list = value.get_array().value();
    for (auto id : list) ids.push_back(int32_t(id.get_int64().value()));
    return ids;
}

/// As it is decoded at once, and token by token.
void check_decoded(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                   std::string_view decoded) {
    CHECK(tokenizer.decode(ids, false) == decoded);
    StreamDecoder stream(tokenizer, false, true);
    std::string text;
    for (const int32_t id : ids) text += stream.push(id);
    CHECK(text + stream.finish() == decoded);
}

}  // namespace

TEST_CASE(
    "tokenizer_pipeline: models of every kind give the ids and texts that Hugging Face's give") {
    simdjson::dom::parser parser;
    simdjson::dom::object golden;
    REQUIRE(!parser.parse(read_file("tests/golden/model_kinds.json")).get(golden));
    const simdjson::dom::array texts = golden["texts"].get_array().value(),
                               cases = golden["cases"].get_array().value();
    for (auto example : cases) {
        const Tokenizer tokenizer = Tokenizer::parse(tokenizer_json_of(golden, example));
        const std::string fields(simdjson::minify(example["fields"].value())),
            of_model(simdjson::minify(example["of_model"].value()));
        CAPTURE(fields);
        CAPTURE(of_model);
        size_t i = 0;
        for (auto element : texts) {
            const std::string_view text = element.get_string().value();
            CAPTURE(text);
            auto ids = tokenizer.encode_with_added_tokens(text);
            tokenizer.add_special_tokens(ids);
            CHECK(ids == ids_of(example["ids"].at(i).value()));
            check_decoded(tokenizer, ids, example["decoded"].at(i++).get_string().value());
        }
    }
}

TEST_CASE("tokenizer_pipeline: every known step gives the ids that Hugging Face's gives") {
    simdjson::dom::parser parser;
    simdjson::dom::object golden;
    REQUIRE(!parser.parse(read_file("tests/golden/pipelines.json")).get(golden));
    const simdjson::dom::array texts = golden["texts"].get_array().value(),
                               cases = golden["cases"].get_array().value();
    for (auto example : cases) {
        const std::string value = simdjson::minify(example["value"].value());
        CAPTURE(value);
        const std::string field(example["field"].get_string().value());
        const Tokenizer tokenizer = Tokenizer::parse(demo_tokenizer_with(field, value));
        size_t i = 0;
        for (auto element : texts) {
            const std::string_view text = element.get_string().value();
            CAPTURE(text);
            auto ids = tokenizer.encode_with_added_tokens(text);
            tokenizer.add_special_tokens(ids);
            CHECK(ids == ids_of(example["ids"].at(i++).value()));
        }
    }
}

TEST_CASE("tokenizer_pipeline: a step that is not known is refused by name, with those that are") {
    struct Case {
        const char *field, *value, *message;
    };
    auto steps = [&](const std::string& before) {
        return R"({"type":"Sequence","pretokenizers":[)" + before +
               R"({"type":"ByteLevel","add_prefix_space":false}]})";
    };
    const std::string ctc = R"({"type":"CTC","pad_token":"_","word_delimiter_token":"|"})";
    auto ctc_behind = [&](const std::string& step) {
        return R"({"type":"Sequence","decoders":[)" + step + "," + ctc + "]}";
    };
    const std::string bytes_first = ctc_behind(R"({"type":"ByteFallback"})"),
                      places_first = ctc_behind(R"({"type":"WordPiece","prefix":""})"),
                      ctc_first = ctc_behind(ctc), fuse_first = ctc_behind(R"({"type":"Fuse"})");
    const std::string unknown = steps(R"({"type":"Other"},)"),
                      behavior = steps(R"({"type":"Split","pattern":{"String":"a"}},)"),
                      pattern = steps(R"({"type":"Split","behavior":"Isolated"},)"),
                      regex = steps(R"({"type":"Split","behavior":"Isolated",)"
                                    R"("pattern":{"Regex":"("}},)");
    for (
        const Case& c : std::vector<Case>{
            {"normalizer", R"({"type":"Nfc"})", "expected NFC, NFD"},
            {"normalizer", R"({"type":"Sequence"})", "expected normalizers"},
            {"normalizer", "3", "expected an object"},
            {"normalizer", R"({"type":"Replace","content":""})", "expected a pattern"},
            {"normalizer", R"({"type":"Replace","pattern":{"Regex":"("},"content":""})",
             "normalizer: \"(\" is no regex"},
            {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})",
             "expected a map of SentencePiece's"},
            {"pre_tokenizer", "3", "expected an object"},
            {"pre_tokenizer", unknown.c_str(), "found \"Other\""},
            {"pre_tokenizer", behavior.c_str(), "expected a behavior"},
            {"pre_tokenizer", R"({"type":"Punctuation","behavior":"a"})",
             "behavior: expected Isolated, Removed"},
            {"pre_tokenizer", pattern.c_str(), "expected a pattern"},
            {"pre_tokenizer", regex.c_str(), "pre_tokenizer: \"(\" is no regex"},
            {"pre_tokenizer", R"({"type":"Metaspace"})", "Metaspace: expected a replacement"},
            {"pre_tokenizer", R"({"type":"Metaspace","replacement":"ab"})",
             "expected a character, found \"ab\""},
            {"pre_tokenizer", R"({"type":"Metaspace","replacement":"_","prepend_scheme":"no"})",
             "expected always, first or never, found \"no\""},
            {"pre_tokenizer", R"({"type":"FixedLength","length":0})", "a number from 1 on"},
            {"decoder", R"({"type":"Other"})", "found \"Other\""},
            {"decoder", R"({"type":"CTC"})", "CTC: expected a pad_token"},
            {"decoder", R"({"type":"CTC","pad_token":""})", "expected a word_delimiter_token"},
            {"decoder", bytes_first.c_str(), "before CTC"},
            {"decoder", places_first.c_str(), "before CTC"},
            {"decoder", ctc_first.c_str(), "before CTC"},
            {"decoder", fuse_first.c_str(), "nothing but Strip behind"},
            {"decoder", R"({"type":"BPEDecoder"})", "BPEDecoder: expected a suffix"},
            {"decoder",
             R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"WordPiece","prefix":""}]})",
             "nothing but Strip behind Fuse"},
            {"decoder",
             R"({"type":"Sequence","decoders":[{"type":"Fuse"},)"
             R"({"type":"Strip","content":" ","start":0,"stop":1}]})",
             "with no stop"},
            {"post_processor", R"({"type":"Other"})", "found \"Other\""},
            {"post_processor", R"({"type":"BertProcessing","cls":["a",1]})", "as \"sep\""},
            {"post_processor", R"({"type":"BertProcessing","cls":["a","b"],"sep":["a",1]})",
             "expected token ids of \"cls\""}}) {
        CAPTURE(c.value);
        CHECK_THROWS_WITH_AS(Tokenizer::parse(demo_tokenizer_with(c.field, c.value)),
                             doctest::Contains(c.message), LoadError);
    }
}

TEST_CASE("tokenizer_pipeline: of two templates the second is around the first") {
    auto around = [](const char* before, int before_id, const char* behind, int behind_id) {
        auto special = [](const char* name) {
            return R"({"SpecialToken":{"id":")" + std::string(name) + R"(","type_id":0}})";
        };
        auto ids = [](const char* name, int id) {
            return "\"" + std::string(name) + R"(":{"ids":[)" + std::to_string(id) + "]}";
        };
        return R"({"type":"TemplateProcessing","single":[)" + special(before) +
               R"(,{"Sequence":{"id":"A","type_id":0}},)" + special(behind) +
               R"(],"special_tokens":{)" + ids(before, before_id) + "," + ids(behind, behind_id) +
               "}}";
    };
    const std::string value = R"({"type":"Sequence","processors":[)" + around("a", 1, "b", 2) +
                              "," + around("c", 3, "d", 4) + "]}";
    std::vector<int32_t> ids = {7};
    Tokenizer::parse(demo_tokenizer_with("post_processor", value)).add_special_tokens(ids);
    CHECK(ids == std::vector<int32_t>{3, 1, 7, 2, 4});
}
