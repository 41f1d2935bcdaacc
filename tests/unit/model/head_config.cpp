// What a checkpoint is for: its head, which way it attends, and what its labels are.

#include "model/head_config.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// kConfig as another architecture's, with more fields.
ModelConfig config_of(const TempDir& dir, std::string_view architecture,
                      std::string_view fields = "") {
    std::string text = replaced(kConfig, "Qwen2ForCausalLM", architecture);
    dir.write("config.json", text.insert(1, fields));
    return load_model_config(dir.path());
}

}  // namespace

TEST_CASE("head config: the architecture says what the last layer is for") {
    TempDir dir;
    CHECK(config_of(dir, "Qwen2ForCausalLM").head == HeadKind::text);
    CHECK(config_of(dir, "Qwen2Model").head == HeadKind::none);
    CHECK(config_of(dir, "Qwen2Model", R"("tie_word_embeddings":true,)").head == HeadKind::text);
    CHECK(config_of(dir, "Qwen2ForSequenceClassification").head == HeadKind::classes);
    CHECK(config_of(dir, "Qwen2ForRewardModel").head == HeadKind::reward);
    CHECK(config_of(dir, "Qwen2ForProcessRewardModel").head == HeadKind::process_reward);
    CHECK(config_of(dir, "Qwen2ForCausalLM").generates());
    CHECK_FALSE(config_of(dir, "Qwen2ForRewardModel").generates());
}

TEST_CASE("head config: what attends both ways generates nothing") {
    TempDir dir;
    CHECK(config_of(dir, "Qwen2ForCausalLM").is_causal);
    ModelConfig config = config_of(dir, "Qwen2ForCausalLM", R"("is_causal":false,)");
    CHECK_FALSE(config.is_causal);
    CHECK_FALSE(config.generates());
    // gte-Qwen2, and what was made of it: the field may be lost, its own code never attends
    // causally.
    const std::string gte = R"("auto_map":{"AutoModel":"modeling_qwen.Qwen2Model"},)";
    config = config_of(dir, "Qwen2ForCausalLM", gte);
    CHECK(config.is_gte);
    CHECK_FALSE(config.is_causal);
    config = config_of(dir, "Qwen2Model",
                       R"("auto_map":{"AutoModel":"Alibaba-NLP/gte--modeling_qwen.Qwen2Model"},)");
    CHECK(config.is_gte);
    CHECK(config_of(dir, "Qwen2ForCausalLM", gte + R"("is_causal":true,)").is_causal);
    for (const char* other : {R"("auto_map":{"AutoModel":"modeling_other.Qwen2Model"},)",
                              R"("auto_map":{"AutoModel":7},)", R"("auto_map":[],)"})
        CHECK_FALSE(config_of(dir, "Qwen2ForCausalLM", other).is_gte);
}

TEST_CASE("head config: a folder of sentence-transformers' is an embedder") {
    TempDir dir;
    CHECK_FALSE(config_of(dir, "Qwen2ForCausalLM").is_embedder);
    dir.write("modules.json", "[]");
    CHECK(config_of(dir, "Qwen2ForCausalLM").is_embedder);
    CHECK_FALSE(config_of(dir, "Qwen2ForCausalLM").generates());
}

TEST_CASE("head config: labels by their number, and what a text's token never is") {
    TempDir dir;
    const char* kind = "Qwen2ForSequenceClassification";
    const ModelConfig config = config_of(dir, kind,
                                         R"("id2label":{"1":"bad","0":"good"},"pad_token_id":3,)"
                                         R"("problem_type":"multi_label_classification",)");
    CHECK(config.labels == std::vector<std::string>{"good", "bad"});
    CHECK(config.problem_type == "multi_label_classification");
    CHECK(config.pad_token_id == 3);
    CHECK(config_of(dir, kind).labels.empty());
    CHECK_FALSE(config_of(dir, kind, R"("pad_token_id":null,)").pad_token_id.has_value());
    CHECK_FALSE(config_of(dir, kind, R"("pad_token_id":-1,)").pad_token_id.has_value());
    for (const char* bad :
         {R"("id2label":["a"],)", R"("id2label":{"x":"a"},)", R"("id2label":{"-1":"a"},)",
          R"("id2label":{"70000":"a"},)", R"("id2label":{"0":1},)", R"("problem_type":"other",)",
          R"("problem_type":1,)"})
        CHECK_THROWS_AS(config_of(dir, kind, bad), LoadError);
}
