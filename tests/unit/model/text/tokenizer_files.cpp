// What fine-tunes change of Qwen2's tokenizer. Expected ids are those of Hugging Face's tokenizers.

#include "model/text/tokenizer_files.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "model/error.h"
#include "model/file.h"
#include "model/text/tokenizer.h"
#include "tests/unit/demo_tokenizer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

const char kBegin[] =
    R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|im_start|>",)"
    R"("type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":)"
    R"("<|im_end|>","type_id":0}}],"pair":[],"special_tokens":{"<|im_start|>":{"id":)"
    R"("<|im_start|>","ids":[6059],"tokens":["<|im_start|>"]},"<|im_end|>":{"id":)"
    R"("<|im_end|>","ids":[6060],"tokens":["<|im_end|>"]}}})";
const char kByteLevel[] = R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false})";

std::vector<int32_t> around(const Tokenizer& tokenizer) {
    std::vector<int32_t> ids = {1};
    tokenizer.add_special_tokens(ids);
    return ids;
}

}  // namespace

TEST_CASE("tokenizer_files: text becomes NFC where the normalizer says so") {
    const Tokenizer demo = Tokenizer::parse(demo_tokenizer_json());
    const std::string text = "e\u0301 u\u0308";
    const auto composed = demo.encode(text),
               as_it_is = std::vector<int32_t>{68, 136, 223, 220, 84, 136, 230};
    CHECK(composed != as_it_is);
    for (auto none : {"null", R"({"type":"Sequence","normalizers":[]})"})
        CHECK(Tokenizer::parse(demo_tokenizer_with("normalizer", none)).encode(text) == as_it_is);
    const auto nfc = R"({"type":"Sequence","normalizers":[{"type":"NFC"}]})";
    CHECK(Tokenizer::parse(demo_tokenizer_with("normalizer", nfc)).encode(text) == composed);
}

TEST_CASE("tokenizer_files: the special tokens around a prompt are the post-processor's") {
    CHECK(around(Tokenizer::parse(demo_tokenizer_json())) == std::vector<int32_t>{1});
    CHECK(around(Tokenizer::parse(demo_tokenizer_with("post_processor", "null"))) ==
          std::vector<int32_t>{1});
    const std::vector<int32_t> both = {6059, 1, 6060};
    CHECK(around(Tokenizer::parse(demo_tokenizer_with("post_processor", kBegin))) == both);
    const std::string steps =
        std::string(R"({"type":"Sequence","processors":[)") + kByteLevel + "," + kBegin + "]}";
    CHECK(around(Tokenizer::parse(demo_tokenizer_with("post_processor", steps))) == both);
}

TEST_CASE("tokenizer_files: a post-processor that cannot be followed is refused by name") {
    std::string unknown_token = kBegin, no_ids = kBegin;
    unknown_token.replace(unknown_token.find("[6059]"), 6, "[9000]");
    no_ids.replace(no_ids.find("\"ids\":[6059]"), 12, "\"idz\":[6059]");
    for (const std::string& value :
         {unknown_token, no_ids, std::string(R"({"type":"BertProcessing"})"), std::string("[]"),
          std::string(R"({"type":"TemplateProcessing"})"),
          std::string(R"({"type":"Sequence","processors":[1]})")})
        CHECK_THROWS_WITH_AS(Tokenizer::parse(demo_tokenizer_with("post_processor", value)),
                             doctest::Contains("post_processor"), LoadError);
}

TEST_CASE("tokenizer_files: what the model asks for is done, has nothing to do, or is refused") {
    const std::string begin = R"("model": {)";
    auto with_model = [&](const std::string& fields, std::string json = demo_tokenizer_json()) {
        const size_t at = json.find(begin);
        REQUIRE(at != std::string::npos);
        return json.insert(at + begin.size(), fields);
    };
    std::string json = demo_tokenizer_json();
    auto without = [&](const std::string& field) {
        const size_t at = json.find(field);
        REQUIRE(at != std::string::npos);
        json.erase(at, field.size());
    };
    without(R"("type": "BPE",)"), without(R"("byte_fallback": false,)");
    without(R"("continuing_subword_prefix": "",)"), without(R"("end_of_word_suffix": "",)");
    const auto ids = Tokenizer::parse(demo_tokenizer_json()).encode("e\u0301 hello");
    for (const char* fields :
         {"", R"("byte_fallback":true,)", R"("type":"BPE","end_of_word_suffix":"",)",
          R"("unk_token":"<|endoftext|>","fuse_unk":true,"continuing_subword_prefix":null,)"})
        CHECK(Tokenizer::parse(with_model(fields, json)).encode("e\u0301 hello") == ids);
    // Dropout is for training.
    CHECK(Tokenizer::parse(with_model(R"("dropout":0.5,)", json)).encode("e\u0301 hello") == ids);
    struct Case {
        const char *fields, *message;
    };
    for (const Case& c :
         {Case{R"("type":"Other",)",
               "expected BPE, Unigram, WordPiece or WordLevel, found \"Other\""},
          Case{R"("type":"WordPiece","unk_token":"a",)", "expected a continuing_subword_prefix"},
          Case{R"("type":"WordLevel",)", "expected a unk_token"},
          Case{R"("type":"Unigram",)", "expected model.vocab"},
          Case{R"("continuing_subword_prefix":"##",)", "is not in the vocabulary"}})
        CHECK_THROWS_WITH_AS(Tokenizer::parse(with_model(c.fields, json)),
                             doctest::Contains(c.message), LoadError);
}

TEST_CASE("tokenizer_files: a vocabulary may have words that are not of the byte alphabet") {
    // As models are whose vocabulary was extended by hand: only as an added token is it reached.
    const std::string words = "\"vocab\": {\"\u4e16\u754c\": 6090, \"<|a b|>\": 6091,";
    std::string json = demo_tokenizer_json();
    const size_t vocab = json.find("\"vocab\": {");
    REQUIRE(vocab != std::string::npos);
    json.replace(vocab, 10, words);
    const Tokenizer demo = Tokenizer::parse(demo_tokenizer_json()), plain = Tokenizer::parse(json);
    for (const char* text : {"\u4e16\u754c", "<|a b|>", "hello \u4e16\u754c"})
        CHECK(plain.encode_with_added_tokens(text) == demo.encode(text));
    CHECK(plain.decode(std::vector<int32_t>{6090, 6091}, false) == "\u4e16\u754c<|a b|>");
    const size_t added = json.find("\"added_tokens\": [");
    REQUIRE(added != std::string::npos);
    const Tokenizer both =
        Tokenizer::parse(json.insert(added + 17, R"({"id":6090,"content":")"
                                                 "\u4e16\u754c"
                                                 R"(","special":false,"normalized":true},)"));
    CHECK(both.encode_with_added_tokens("\u4e16\u754c") == std::vector<int32_t>{6090});
}

TEST_CASE("tokenizer_files: there may be no added tokens") {
    std::string json = demo_tokenizer_json();
    const size_t at = json.find("\"added_tokens\"");
    REQUIRE(at != std::string::npos);
    json.replace(at, 14, "\"other_tokens\"");
    const Tokenizer tokenizer = Tokenizer::parse(json);
    CHECK_FALSE(tokenizer.added_token_id("<|im_start|>"));
    CHECK(tokenizer.encode("hello") == Tokenizer::parse(demo_tokenizer_json()).encode("hello"));
}

TEST_CASE("tokenizer_files: with ignore_merges a word of the vocabulary is its token") {
    // A word that no merge makes: its id is taken only where merges are not asked.
    std::string json = demo_tokenizer_json();
    const size_t vocab = json.find("\"vocab\": {");
    REQUIRE(vocab != std::string::npos);
    json.insert(vocab + 10, "\"zqxzqx\": 6090,");
    CHECK(Tokenizer::parse(json).encode("zqxzqx").size() > 1);
    const size_t flag = json.find("\"ignore_merges\": false");
    REQUIRE(flag != std::string::npos);
    json.replace(flag, 22, "\"ignore_merges\": true");
    const Tokenizer ignoring = Tokenizer::parse(json);
    CHECK(ignoring.encode("zqxzqx") == std::vector<int32_t>{6090});
    CHECK(ignoring.encode("zqxzqx zqx") != std::vector<int32_t>{6090});
    CHECK(ignoring.decode(ignoring.encode("zqxzqxz, hello"), false) == "zqxzqxz, hello");
}

TEST_CASE("tokenizer_files: other files than those that are read are told what is missing") {
    TempDir dir;
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()),
                         doctest::Contains("expected tokenizer.json, or vocab.json"), LoadError);
    for (const char* other : {"spiece.model", "qwen.tiktoken", "vocab.txt"}) {
        dir.write(other, "[UNK]\na\n");
        dir.write("tokenizer_config.json", R"({"tokenizer_class":"BertTokenizer"})");
        const std::string expected = std::string(other) +
                                     " alone says too little; expected "
                                     "tokenizer.json";
        CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains(expected.c_str()),
                             LoadError);
        std::filesystem::remove(dir.path() / other);
    }
}

TEST_CASE("tokenizer_files: an added token without a row of the embedding stays text") {
    const Tokenizer all = Tokenizer::load("tests/demo-model");
    const Tokenizer fewer = Tokenizer::load("tests/demo-model", 6060);
    CHECK(all.n_left_out() == 0);
    CHECK(fewer.n_left_out() == all.size() - 6060);
    CHECK(fewer.size() == 6060);
    for (int32_t id : fewer.encode_with_added_tokens("<|im_start|>a<|im_end|>")) CHECK(id < 6060);
}
