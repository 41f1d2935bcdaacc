// Metadata of GGUF files as the configuration of a model.

#include "model/gguf_config.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "model/error.h"
#include "model/quantized/scheme.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/gguf_writer.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

using W = GgufWriter;

GgufWriter good_file() {
    GgufWriter file;
    file.add("general.architecture", W::text("qwen2")).add("general.type", W::text("model"));
    file.add("qwen2.block_count", W::u32(2)).add("qwen2.context_length", W::u32(4096));
    file.add("qwen2.embedding_length", W::u32(256));
    file.add("qwen2.feed_forward_length", W::u32(512));
    file.add("qwen2.attention.head_count", W::u32(8));
    file.add("qwen2.attention.head_count_kv", W::u32(2));
    file.add("qwen2.attention.layer_norm_rms_epsilon", W::f32(1e-5f));
    file.add("qwen2.rope.freq_base", W::f32(1e6f));
    file.add("tokenizer.ggml.tokens", W::texts({"a", "<|endoftext|>", "<|im_end|>", "b"}));
    file.add("tokenizer.ggml.eos_token_id", W::u32(2));
    file.add("tokenizer.ggml.padding_token_id", W::u32(1));
    file.tensor("token_embd.weight", {4, 256}, 8, std::string(4 * 8 * 34, '\0'));
    return file;
}

using Change = std::function<void(GgufWriter&)>;

ModelConfig config_with(const Change& change) {
    TempDir dir;
    GgufWriter file = good_file();
    change(file);
    return load_model_config(dir.write("m.gguf", file.content()));
}

Change set(const std::string& key, const std::string& value) {
    return [key, value](GgufWriter& file) { file.set(key, value); };
}

}  // namespace

TEST_CASE("gguf_config: metadata say what config.json would") {
    const ModelConfig c = config_with([](auto&) {});
    CHECK((c.vocab_size == 4 && c.hidden_size == 256 && c.intermediate_size == 512));
    CHECK((c.n_layers == 2 && c.n_heads == 8 && c.n_kv_heads == 2 && c.head_dim == 32));
    CHECK((c.max_position == 4096 && c.rope_theta == 1e6f && c.rms_norm_eps == 1e-5f));
    CHECK((c.tie_word_embeddings && c.is_gguf && c.generates() && !c.yarn));
    CHECK(c.eos_token_ids == std::vector<int32_t>{2, 1});  // Qwen's models for chats have both
    CHECK(c.pad_token_id == 1);
    REQUIRE(c.quantization);
    CHECK(c.quantization->text() == "GGUF, Q8_0, 8.5 bits a weight");
    CHECK(config_with(set("tokenizer.ggml.eos_token_id", W::u32(1))).eos_token_ids ==
          std::vector<int32_t>{1});
    CHECK(config_with(set("tokenizer.ggml.eot_token_id", W::u32(3))).eos_token_ids ==
          std::vector<int32_t>{2, 3, 1});
    CHECK(config_with([](auto& f) { f.remove("qwen2.attention.head_count_kv"); }).n_kv_heads == 8);
    CHECK(config_with(set("qwen2.attention.key_length", W::u32(64))).head_dim == 64);
    CHECK(config_with(set("qwen2.attention.sliding_window", W::u32(1024))).max_position == 1024);
    const auto untied = [](GgufWriter& f) {
        f.tensor("output.weight", {4, 256}, 1, std::string(2048, '\0')).offset(1088);
    };
    CHECK(!config_with(untied).tie_word_embeddings);
    CHECK(config_with(untied).quantization->text() == "GGUF, F16 and Q8_0, 12.2 bits a weight");
}

TEST_CASE("gguf_config: RoPE is scaled as a folder's is") {
    const auto scaled = [](const char* type, float factor) {
        return [=](GgufWriter& f) {
            f.add("qwen2.rope.scaling.type", W::text(type));
            f.add("qwen2.rope.scaling.factor", W::f32(factor));
            f.add("qwen2.rope.scaling.original_context_length", W::u32(4096));
        };
    };
    const ModelConfig yarn = config_with(scaled("yarn", 4));
    REQUIRE(yarn.yarn);
    CHECK((yarn.yarn->factor == 4 && yarn.yarn->original_max_position == 4096));
    CHECK(yarn.max_position == 16384);
    const ModelConfig linear = config_with(scaled("linear", 2));
    CHECK((linear.rope_linear_factor == 2 && linear.max_position == 8192));
    CHECK(config_with(scaled("none", 2)).max_position == 4096);
}

TEST_CASE("gguf_config: what is missing, wrong or not served is named") {
    const std::pair<const char*, Change> cases[] = {
        {"general.architecture: expected qwen2, found llama; qwend serves Qwen2 and Qwen2.5",
         set("general.architecture", W::text("llama"))},
        {"general.architecture: expected qwen2, found none",
         [](auto& f) { f.remove("general.architecture"); }},
        {"general.type: expected a model, found adapter", set("general.type", W::text("adapter"))},
        {"it is a model that makes vectors", set("qwen2.pooling_type", W::u32(3))},
        {"it is a model that makes vectors", set("qwen2.attention.causal", W::boolean(false))},
        {"expected the key qwen2.block_count, found none",
         [](auto& f) { f.remove("qwen2.block_count"); }},
        {"qwen2.embedding_length: expected 1 to 1048576, found 0",
         set("qwen2.embedding_length", W::u32(0))},
        {"qwen2.feed_forward_length: expected an integer, found an array of int32",
         set("qwen2.feed_forward_length", W::i32s({512, 512}))},
        {"to be a multiple of", set("qwen2.attention.head_count_kv", W::u32(3))},
        {"qwen2.rope.dimension_count: expected 32, found 16",
         set("qwen2.rope.dimension_count", W::u32(16))},
        {"qwen2.attention.value_length: expected 32, found 16",
         set("qwen2.attention.value_length", W::u32(16))},
        {"rope_type", set("qwen2.rope.scaling.type", W::text("su\"per"))},
        {"qwen2.rope.scaling.attn_factor: expected 1, found 2",
         [](auto& f) {
             f.add("qwen2.rope.scaling.type", W::text("yarn"));
             f.add("qwen2.rope.scaling.attn_factor", W::f32(2));
         }},
        {"tokenizer.ggml.eos_token_id: expected 0 to",
         set("tokenizer.ggml.eos_token_id", W::i32(-1))}};
    for (const auto& [expected, change] : cases) {
        const std::string says = expected;
        CAPTURE(says);
        try {
            (void)config_with(change);
            FAIL_CHECK("not refused");
        } catch (const LoadError& error) {
            CHECK_SAYS(std::string(error.what()), says);
            CHECK_SAYS(std::string(error.what()), "m.gguf: ");
        }
    }
    TempDir dir;
    GgufWriter bare;
    bare.add("general.architecture", W::text("qwen2"));
    CHECK_THROWS_WITH_AS(load_model_config(dir.write("m.gguf", bare.content())),
                         doctest::Contains("tensor token_embd.weight: expected a matrix"),
                         LoadError);
}

TEST_CASE("gguf_config: settings for sampling are those that the file has") {
    TempDir dir;
    CHECK(!load_generation_defaults(dir.write("m.gguf", good_file().content())).temperature);
    GgufWriter file = good_file();
    file.add("general.sampling.temp", W::f32(0.5f)).add("general.sampling.top_k", W::i32(20));
    const GenerationDefaults found = load_generation_defaults(dir.write("m.gguf", file.content()));
    CHECK(found.temperature == 0.5f);
    CHECK(found.top_k == 20);
    CHECK(!found.top_p);
    CHECK(found.warnings.empty());
}
