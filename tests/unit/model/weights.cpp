// The tensors of a checkpoint by name, shape and type, and what contradicts config.json.

#include "model/weights.h"

#include <doctest/doctest.h>

#include <utility>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// A folder whose weights are zeros, as a header of names and shapes.
class Folder {
  public:
    explicit Folder(const std::string& config = kConfig) { dir_.write("config.json", config); }

    Folder& add(const std::string& name, const std::vector<int>& shape, const char* dtype = "BF16",
                size_t n_bytes_each = 2, char fill = 0) {
        size_t n = n_bytes_each;
        std::string dims;
        for (int dim : shape)
            n *= size_t(dim), dims += (dims.empty() ? "" : ",") + std::to_string(dim);
        header_ += (header_.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" + dtype +
                   R"(","shape":[)" + dims + R"(],"data_offsets":[)" +
                   std::to_string(data_.size()) + "," + std::to_string(data_.size() + n) + "]}";
        data_.append(n, fill);
        return *this;
    }

    Folder& add_layer(int layer, const std::string& prefix = "model.", const char* dtype = "BF16",
                      size_t n_bytes_each = 2) {
        const std::string p = prefix + "layers." + std::to_string(layer) + ".";
        for (auto name : {"input_layernorm", "post_attention_layernorm"})
            add(p + name + ".weight", {64});
        for (auto [name, n] : {std::pair{"q", 64}, {"k", 32}, {"v", 32}}) {
            add(p + "self_attn." + name + "_proj.weight", {n, 64}, dtype, n_bytes_each);
            add(p + "self_attn." + name + "_proj.bias", {n});
        }
        add(p + "self_attn.o_proj.weight", {64, 64}, dtype, n_bytes_each);
        add(p + "mlp.gate_proj.weight", {128, 64}, dtype, n_bytes_each);
        add(p + "mlp.up_proj.weight", {128, 64}, dtype, n_bytes_each);
        return add(p + "mlp.down_proj.weight", {64, 128}, dtype, n_bytes_each);
    }

    Folder& add_ends(const std::string& prefix = "model.") {
        return add(prefix + "embed_tokens.weight", {100, 64}).add(prefix + "norm.weight", {64});
    }

    Checkpoint open() const {
        dir_.write("model.safetensors", file_of(header_ + "}", data_));
        return open_checkpoint(dir_.path());
    }

    std::string refusal() const {
        try {
            open();
        } catch (const LoadError& error) {
            return error.what();
        }
        return "accepted";
    }

  private:
    TempDir dir_;
    std::string header_, data_;
};

const std::string kTied = replaced(kConfig, "{", R"({"tie_word_embeddings":true,)");

}  // namespace

TEST_CASE("weights: a missing or misshapen tensor is named with both shapes") {
    HashedCheckpoint good(golden_shapes()[0]);
    CHECK(good.checkpoint->weights.layers.size() == 2);
    CHECK(good.checkpoint->weights.tied);
    TempDir dir;
    dir.write("config.json", kConfig);
    dir.write("model.safetensors", file_of("{}", ""));
    CHECK_THROWS_WITH_AS(open_checkpoint(dir.path()),
                         doctest::Contains("expected shape [100, 64], found no such tensor"),
                         LoadError);
    dir.write("model.safetensors",
              file_of(R"({"model.embed_tokens.weight":{"dtype":"F32","shape":[2,1],)"
                      R"("data_offsets":[0,8]}})",
                      std::string(8, 'x')));
    CHECK_THROWS_WITH_AS(open_checkpoint(dir.path()), doctest::Contains("found [2, 1]"), LoadError);
}

TEST_CASE("weights: tensors that are not needed may be of any type") {
    Folder folder(kTied);
    folder.add_ends().add_layer(0);
    for (auto [dtype, n] : {std::pair{"I64", 8},
                            {"BOOL", 1},
                            {"F64", 8},
                            {"F8_E4M3", 1},
                            {"F8_E5M2", 1},
                            {"U8", 1},
                            {"C64", 8}})
        folder.add(std::string("unused.") + dtype, {3}, dtype, size_t(n));
    folder.add("model.layers.0.self_attn.rotary_emb.inv_freq", {8}, "F64", 8);
    CHECK(folder.open().weights.layers.size() == 1);
    CHECK(folder.open().warnings.empty());
}

TEST_CASE("weights: a needed tensor of another type is named with what is served") {
    Folder folder(kTied);
    folder.add("model.embed_tokens.weight", {100, 64}, "F64", 8)
        .add("model.norm.weight", {64})
        .add_layer(0);
    CHECK_SAYS(folder.refusal(),
               "tensor model.embed_tokens.weight: expected BF16, F16 or F32, found F64");
}

TEST_CASE("weights: quantised ones are refused by their scheme") {
    struct Case {
        const char *name, *dtype;
        size_t n_bytes;
        const char* message;
    };
    const std::string q = "model.layers.0.self_attn.q_proj.";
    for (auto& c : std::vector<Case>{{"qweight", "I32", 4, "quantised (GPTQ or AWQ)"},
                                     {"weight_packed", "I32", 4, "quantised (compressed-tensors"},
                                     {"weight", "F8_E4M3", 1, "quantised (FP8, stored as F8_E4M3)"},
                                     {"weight", "I8", 1, "quantised (INT8"},
                                     {"weight", "U8", 1, "quantised (packed, stored as U8)"}}) {
        Folder folder(kTied);
        folder.add_ends().add("model.layers.0.input_layernorm.weight", {64});
        folder.add("model.layers.0.post_attention_layernorm.weight", {64});
        folder.add(q + c.name, {64, 64}, c.dtype, c.n_bytes);
        CHECK_SAYS(folder.refusal(), c.message);
    }
    for (auto [name, message] :
         {std::pair{"weight.quant_map", "bitsandbytes, 4 bits"}, {"SCB", "bitsandbytes, 8 bits"}}) {
        Folder folder(kTied);
        folder.add_ends().add("model.layers.0.input_layernorm.weight", {64});
        folder.add("model.layers.0.post_attention_layernorm.weight", {64});
        folder.add(q + "weight", {64, 64}, "U8", 1).add(q + name, {16}, "F32", 4);
        CHECK_SAYS(folder.refusal(), message);
    }
}

TEST_CASE("weights: layers that config.json does not count are told, missing ones refused") {
    Folder folder(kTied);
    folder.add_ends().add_layer(0).add_layer(1).add_layer(2);
    const Checkpoint more = folder.open();
    CHECK(more.weights.layers.size() == 1);
    REQUIRE(more.warnings.size() == 1);
    CHECK_SAYS(more.warnings[0], "num_hidden_layers 1, the weights have 3 layers");
    Folder fewer(replaced(kTied, "\"num_hidden_layers\":1", "\"num_hidden_layers\":3"));
    fewer.add_ends().add_layer(0);
    CHECK_SAYS(fewer.refusal(), "tensor model.layers.1.input_layernorm.weight");
    CHECK_SAYS(fewer.refusal(), "num_hidden_layers 3, the weights have 1");
}

TEST_CASE("weights: the head may be tied, stored, stored though tied, or all there is") {
    CHECK_SAYS(Folder().add_ends().add_layer(0).refusal(), "\"tie_word_embeddings\": true");
    const std::string reward = replaced(kConfig, R"("architectures":["Qwen2ForCausalLM"])",
                                        R"("architectures":["RewardModel"],"model_type":"qwen2")");
    CHECK_SAYS(Folder(reward).add_ends().add_layer(0).refusal(), "it is RewardModel, which has no");
    CHECK_FALSE(
        Folder().add_ends().add_layer(0).add("lm_head.weight", {100, 64}).open().weights.tied);
    // The same bytes twice, as some tools write it.
    const Checkpoint same =
        Folder(kTied).add_ends().add_layer(0).add("lm_head.weight", {100, 64}).open();
    CHECK(same.weights.tied);
    CHECK(same.warnings.empty());
    const Checkpoint differs =
        Folder(kTied).add_ends().add_layer(0).add("lm_head.weight", {100, 64}, "BF16", 2, 1).open();
    CHECK_FALSE(differs.weights.tied);
    CHECK(differs.weights.lm_head.weight.offset != differs.weights.embedding.offset);
    REQUIRE(differs.warnings.size() == 1);
    const Checkpoint head_only = Folder(kTied)
                                     .add("lm_head.weight", {100, 64})
                                     .add("model.norm.weight", {64})
                                     .add_layer(0)
                                     .open();
    CHECK(head_only.weights.tied);
    CHECK(head_only.weights.embedding.offset == head_only.weights.lm_head.weight.offset);
}

TEST_CASE("weights: a model saved without its head has names without a prefix") {
    Folder folder(replaced(kTied, "Qwen2ForCausalLM", "Qwen2Model"));
    folder.add_ends("").add_layer(0, "");
    CHECK(folder.open().weights.layers.size() == 1);
}
