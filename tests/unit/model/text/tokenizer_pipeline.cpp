// What fine-tunes have around the model in place of Qwen2's own steps, and other models: ids and
// texts are those of Hugging Face's tokenizers (tests/golden/pipelines.json, model_kinds.json).

#include "model/text/tokenizer_pipeline.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

struct Refused {
    std::string field, value;
    const char* message;
};

void check_refused(const std::vector<Refused>& cases) {
    for (const Refused& c : cases) {
        CAPTURE(c.value);
        CHECK_THROWS_WITH_AS(Tokenizer::parse(demo_tokenizer_with(c.field, c.value)),
                             doctest::Contains(c.message), LoadError);
    }
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
    auto steps = [&](const std::string& before) {
        return R"({"type":"Sequence","pretokenizers":[)" + before +
               R"({"type":"ByteLevel","add_prefix_space":false}]})";
    };
    check_refused({
        {"normalizer", R"({"type":"Nfc"})", "expected NFC, NFD"},
        {"normalizer", R"({"type":"Sequence"})", "expected normalizers"},
        {"normalizer", "3", "expected an object"},
        {"normalizer", R"({"type":"Replace","content":""})", "expected a pattern"},
        {"normalizer", R"({"type":"Replace","pattern":{"Regex":"("},"content":""})",
         "normalizer: \"(\" is no regex"},
        {"normalizer", R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})",
         "expected a map of SentencePiece's"},
        {"pre_tokenizer", "3", "expected an object"},
        {"pre_tokenizer", steps(R"({"type":"Other"},)"), "found \"Other\""},
        {"pre_tokenizer", steps(R"({"type":"Split","pattern":{"String":"a"}},)"),
         "expected a behavior"},
        {"pre_tokenizer", R"({"type":"Punctuation","behavior":"a"})",
         "behavior: expected Isolated, Removed"},
        {"pre_tokenizer", steps(R"({"type":"Split","behavior":"Isolated"},)"),
         "expected a pattern"},
        {"pre_tokenizer",
         steps(R"({"type":"Split","behavior":"Isolated","pattern":{"Regex":"("}},)"),
         "pre_tokenizer: \"(\" is no regex"},
        {"pre_tokenizer", R"({"type":"Metaspace"})", "Metaspace: expected a replacement"},
        {"pre_tokenizer", R"({"type":"Metaspace","replacement":"ab"})",
         "expected a character, found \"ab\""},
        {"pre_tokenizer", R"({"type":"Metaspace","replacement":"_","prepend_scheme":"no"})",
         "expected always, first or never, found \"no\""},
        {"pre_tokenizer", R"({"type":"FixedLength","length":0})", "a number from 1 on"},
        {"post_processor", R"({"type":"Other"})", "found \"Other\""},
        {"post_processor", R"({"type":"BertProcessing","cls":["a",1]})", "as \"sep\""},
        {"post_processor", R"({"type":"BertProcessing","cls":["a","b"],"sep":["a",1]})",
         "expected token ids of \"cls\""},
    });
}

TEST_CASE("tokenizer_pipeline: a decoder that lacks something is refused") {
    check_refused({
        {"decoder", R"({"type":"Other"})", "BPEDecoder, found \"Other\""},
        {"decoder", R"({"type":"BPEDecoder"})", "BPEDecoder: expected a suffix"},
        {"decoder", R"({"type":"CTC"})", "CTC: expected a pad_token"},
        {"decoder", R"({"type":"CTC","pad_token":""})", "expected a word_delimiter_token"},
        {"decoder", R"({"type":"Strip","content":"ab"})", "expected a character, found \"ab\""},
        {"decoder",
         R"({"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace",)"
         R"("pattern":{"Regex":"("},"content":""}]})",
         "decoder: \"(\" is no regex"},
    });
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
