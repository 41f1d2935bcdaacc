// Folders with a tokenizer.model of SentencePiece's. Expected ids and texts are those of
// transformers (tests/golden/sentencepiece.json).

#include "model/text/read_sentencepiece.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "model/file.h"
#include "model/text/tokenizer.h"
#include "tests/unit/sentencepiece_models.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;

Ids ids_of(simdjson::dom::array values) {
    Ids ids;
    for (auto value : values) ids.push_back(int32_t(value.get_int64().value()));
    return ids;
}

struct Golden {
    simdjson::dom::parser parser;
    simdjson::dom::object root;

    Golden() { REQUIRE(!parser.parse(read_file("tests/golden/sentencepiece.json")).get(root)); }
    std::string model(std::string_view name) const {
        return sentencepiece_model(root["models"][name].get_object().value());
    }
};

void check_case(const Tokenizer& tokenizer, simdjson::dom::array texts,
                simdjson::dom::element example) {
    CHECK(tokenizer.size() == example["size"].get_int64().value());
    size_t i = 0;
    for (auto element : texts) {
        const std::string_view text = element.get_string().value();
        CAPTURE(text);
        Ids ids = tokenizer.encode_with_added_tokens(text);
        tokenizer.add_special_tokens(ids);
        CHECK(ids == ids_of(example["ids"].at(i).get_array().value()));
        CHECK(tokenizer.decode(ids, false) == example["decoded"].at(i).get_string().value());
        CHECK(tokenizer.decode(ids, true) == example["skipped"].at(i).get_string().value());
        StreamDecoder stream(tokenizer, false, true);
        std::string streamed;
        for (const int32_t id : ids) streamed += stream.push(id);
        CHECK(streamed + stream.finish() == tokenizer.decode(ids, false));
        i++;
    }
}

}  // namespace

TEST_CASE("read_sentencepiece: a folder gives the ids and texts that transformers gives") {
    const Golden golden;
    const simdjson::dom::array texts = golden.root["texts"].get_array().value(),
                               cases = golden.root["cases"].get_array().value();
    for (auto example : cases) {
        const std::string_view name = example["model"].get_string().value();
        const std::string config(simdjson::minify(example["config"].value())),
            files(simdjson::minify(example["files"].value()));
        CAPTURE(name);
        CAPTURE(config);
        CAPTURE(files);
        TempDir dir;
        dir.write("tokenizer.model", golden.model(name));
        if (config != "null") dir.write("tokenizer_config.json", config);
        const simdjson::dom::object others = example["files"].get_object().value();
        for (auto [file, value] : others) dir.write(file, simdjson::minify(value));
        check_case(Tokenizer::load(dir.path()), texts, example);
    }
}

TEST_CASE("read_sentencepiece: classes whose rules are others are refused with what to do") {
    TempDir dir;
    dir.write("tokenizer.model", Golden().model("llama"));
    for (const char* name : {"T5Tokenizer", "Qwen2Tokenizer", "BaichuanTokenizer"}) {
        dir.write("tokenizer_config.json", R"({"tokenizer_class":")" + std::string(name) + R"("})");
        const std::string expected = "found " + std::string(name) + "; save_pretrained";
        CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains(expected.c_str()),
                             LoadError);
    }
    dir.write("tokenizer_config.json", R"({"tokenizer_class":1})");
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains("\"tokenizer_class\""),
                         LoadError);
}

TEST_CASE("read_sentencepiece: files that say more count before it") {
    const Golden golden;
    TempDir dir;
    dir.write("tokenizer.model", "no model");
    dir.write("tokenizer.json", read_file("tests/demo-model/tokenizer.json"));
    CHECK(Tokenizer::load(dir.path()).encode("hello") ==
          Tokenizer::load("tests/demo-model").encode("hello"));
    std::filesystem::remove(dir.path() / "tokenizer.json");
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains("tokenizer.model: "),
                         LoadError);
    dir.write("tokenizer.model", "version https://git-lfs.github.com/spec/v1\n");
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains("git lfs pull"), LoadError);
}

TEST_CASE("read_sentencepiece: text that spells a control token stays text") {
    const Golden golden;
    TempDir dir;
    struct Case {
        const char *model, *fields;
        std::vector<std::string> names;
    };
    const char* const own = R"({"eos_token":"<|im_end|>","pad_token":"<|im_start|>"})";
    const char* const llama = R"({"tokenizer_class":"LlamaTokenizer"})";
    for (const Case& c :
         {Case{"unigram", "{}", {"<s>", "</s>"}}, Case{"unigram_bytes", "{}", {"<s>", "</s>"}},
          Case{"unigram", own, {"<|im_start|>", "</s>"}},
          Case{"bare", own, {"<|im_start|>", "</s>"}}, Case{"user", own, {"<|im_start|>", "<s>"}},
          Case{"user", llama, {"<|im_start|>", "<s>"}}}) {
        CAPTURE(c.model);
        CAPTURE(c.fields);
        dir.write("tokenizer.model", golden.model(c.model));
        dir.write("tokenizer_config.json", c.fields);
        const Tokenizer tokenizer = Tokenizer::load(dir.path());
        for (const std::string& name : c.names) {
            const auto id = tokenizer.added_token_id(name);
            REQUIRE(id);
            for (const std::string& text : {name, "a" + name + "b", name + " cat"}) {
                CAPTURE(text);
                const Ids ids = tokenizer.encode(text);
                CHECK(std::ranges::find(ids, *id) == ids.end());
                const ControlSpan all{0, text.size()};
                const Ids known = tokenizer.encode(text, {&all, 1});
                CHECK(std::ranges::find(known, *id) != known.end());
            }
        }
    }
    // A word that its model has whole is one in a message too.
    CHECK(Tokenizer::load(dir.path()).encode("==").back() ==
          Tokenizer::load(dir.path()).added_token_id("=="));
}
