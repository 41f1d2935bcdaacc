// What fine-tunes change of Qwen2's tokenizer. Expected ids are those of Hugging Face's tokenizers.

#include "model/text/tokenizer_files.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "model/error.h"
#include "model/file.h"
#include "model/text/tokenizer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

const std::string& demo_json() {
    static const std::string json = read_file("tests/demo-model/tokenizer.json");
    return json;
}

/// The demo's tokenizer.json with the value of one field of its first level replaced.
std::string with(const std::string& field, const std::string& value) {
    std::string json = demo_json();
    const size_t at = json.find("\"" + field + "\": {");
    REQUIRE(at != std::string::npos);
    const size_t open = json.find('{', at);
    size_t end = open;
    for (int depth = 0; end == open || depth > 0; end++)
        depth += json[end] == '{' ? 1 : json[end] == '}' ? -1 : 0;
    return json.replace(open, end - open, value);
}

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
    const Tokenizer demo = Tokenizer::parse(demo_json());
    const std::string text = "e\u0301 u\u0308";
    const auto composed = demo.encode(text),
               as_it_is = std::vector<int32_t>{68, 136, 223, 220, 84, 136, 230};
    CHECK(composed != as_it_is);
    for (auto none : {"null", R"({"type":"Sequence","normalizers":[]})"})
        CHECK(Tokenizer::parse(with("normalizer", none)).encode(text) == as_it_is);
    const auto nfc = R"({"type":"Sequence","normalizers":[{"type":"NFC"}]})";
    CHECK(Tokenizer::parse(with("normalizer", nfc)).encode(text) == composed);
    for (auto other :
         {R"({"type":"NFKC"})", R"({"type":"Sequence","normalizers":[{"type":"Lowercase"}]})",
          R"({"type":"Sequence"})", "3"})
        CHECK_THROWS_WITH_AS(Tokenizer::parse(with("normalizer", other)),
                             doctest::Contains("normalizer"), LoadError);
}

TEST_CASE("tokenizer_files: the special tokens around a prompt are the post-processor's") {
    CHECK(around(Tokenizer::parse(demo_json())) == std::vector<int32_t>{1});
    CHECK(around(Tokenizer::parse(with("post_processor", "null"))) == std::vector<int32_t>{1});
    const std::vector<int32_t> both = {6059, 1, 6060};
    CHECK(around(Tokenizer::parse(with("post_processor", kBegin))) == both);
    const std::string steps =
        std::string(R"({"type":"Sequence","processors":[)") + kByteLevel + "," + kBegin + "]}";
    CHECK(around(Tokenizer::parse(with("post_processor", steps))) == both);
}

TEST_CASE("tokenizer_files: a post-processor that cannot be followed is refused by name") {
    std::string unknown_token = kBegin, no_ids = kBegin;
    unknown_token.replace(unknown_token.find("[6059]"), 6, "[9000]");
    no_ids.replace(no_ids.find("\"ids\":[6059]"), 12, "\"idz\":[6059]");
    for (const std::string& value :
         {unknown_token, no_ids, std::string(R"({"type":"BertProcessing"})"), std::string("[]"),
          std::string(R"({"type":"TemplateProcessing"})"),
          std::string(R"({"type":"Sequence","processors":[1]})")})
        CHECK_THROWS_WITH_AS(Tokenizer::parse(with("post_processor", value)),
                             doctest::Contains("post_processor"), LoadError);
}

TEST_CASE("tokenizer_files: with ignore_merges a word of the vocabulary is its token") {
    // A word that no merge makes: its id is taken only where merges are not asked.
    std::string json = demo_json();
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

TEST_CASE("tokenizer_files: added tokens as older transformers saved them") {
    TempDir dir;
    for (auto name : {"vocab.json", "merges.txt"})
        std::filesystem::copy_file(std::filesystem::path("tests/demo-model") / name,
                                   dir.path() / name);
    dir.write("added_tokens.json", R"({"<|im_start|>":6059,"<|im_end|>":6060,"<tool_call>":6075})");
    dir.write(
        "special_tokens_map.json",
        R"({"eos_token":{"content":"<|im_end|>","lstrip":false},"additional_special_tokens":["<|im_start|>"]})");
    const Tokenizer tokenizer = Tokenizer::load(dir.path());
    CHECK(tokenizer.encode_with_added_tokens("<|im_start|><tool_call><|im_end|>") ==
          std::vector<int32_t>{6059, 6075, 6060});
    CHECK(tokenizer.is_special(6059));
    CHECK(tokenizer.is_special(6060));
    CHECK_FALSE(tokenizer.is_special(6075));
    dir.write("added_tokens.json", R"({"<|im_start|>":"6059"})");
    CHECK_THROWS_WITH_AS(Tokenizer::load(dir.path()), doctest::Contains("<|im_start|>"), LoadError);
}

TEST_CASE("tokenizer_files: an added token without a row of the embedding stays text") {
    const Tokenizer all = Tokenizer::load("tests/demo-model");
    const Tokenizer fewer = Tokenizer::load("tests/demo-model", 6060);
    CHECK(all.n_left_out() == 0);
    CHECK(fewer.n_left_out() == all.size() - 6060);
    CHECK(fewer.size() == 6060);
    for (int32_t id : fewer.encode_with_added_tokens("<|im_start|>a<|im_end|>")) CHECK(id < 6060);
}
