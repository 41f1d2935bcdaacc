#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/quantized_formats.h"
#include "tests/unit/temp_dir.h"

namespace qwend {

/// config.json's quantization_config of compressed-tensors, with what of it differs.
inline std::string compressed_config(const std::string& format, const std::string& weights,
                                     const std::string& inputs = "null") {
    return R"({"quant_method":"compressed-tensors","format":")" + format +
           R"(","config_groups":{"group_0":{"weights":{)" + weights + R"(},"input_activations":)" +
           inputs + R"(,"output_activations":null,"targets":["Linear"]}},"ignore":["lm_head"],)" +
           R"("kv_cache_scheme":null,"quantization_status":"compressed",)" +
           R"("global_compression_ratio":1.5})";
}

inline std::vector<QuantizedFormat> awq_formats() {
    const auto config = [](const char* group) {
        return std::string(
                   R"({"quant_method":"awq","bits":4,"version":"gemm","zero_point":true,)") +
               R"("modules_to_not_convert":null,"group_size":)" + group + "}";
    };
    return {{"awq g128", config("128"), 4, false, true, 128, 1, DType::f16, write_awq},
            {"awq g32", config("32"), 4, false, true, 32, 1, DType::f16, write_awq},
            {"awq whole rows", config("-1"), 4, false, true, 0, 1, DType::f16, write_awq}};
}

inline std::vector<QuantizedFormat> gptq_formats() {
    const auto config = [](const char* bits, const char* more) {
        return std::string(R"({"quant_method":"gptq","group_size":128,"desc_act":false,)") +
               R"("sym":true,"static_groups":false,"bits":)" + bits + more + "}";
    };
    const auto first = [](auto& file, auto& module, auto& w, auto& format) {
        write_gptq(file, module, w, format, 1);
    };
    const auto second = [](auto& file, auto& module, auto& w, auto& format) {
        write_gptq(file, module, w, format, 0);
    };
    const char* v2 = R"(,"checkpoint_format":"gptq_v2")";
    return {{"gptq 4", config("4", ""), 4, false, false, 128, 1, DType::f16, first},
            {"gptq 4 asymmetric", config("4", ""), 4, false, true, 128, 1, DType::f16, first},
            {"gptq 8", config("8", ""), 8, false, false, 128, 1, DType::f16, first},
            {"gptq 8 asymmetric", config("8", ""), 8, false, true, 128, 1, DType::f16, first},
            {"gptq 4 v2", config("4", v2), 4, false, true, 128, 1, DType::bf16, second},
            {"gptq 8 v2", config("8", v2), 8, false, true, 128, 1, DType::bf16, second}};
}

inline std::vector<QuantizedFormat> compressed_formats() {
    const auto bytes = [](auto& file, auto& module, auto& w, auto& format) {
        write_bytes(file, module, w, format, "weight_scale", {w.n_row_groups(), w.n_groups()});
    };
    const auto of_tensor = [](auto& file, auto& module, auto& w, auto& format) {
        write_bytes(file, module, w, format, "weight_scale", {1});
    };
    const std::string token = R"({"num_bits":8,"type":"int","strategy":"token","dynamic":true})";
    const std::string sym = R"("symmetric":true,"dynamic":false,"actorder":null,)";
    const std::string asym = R"("symmetric":false,"dynamic":false,"actorder":"weight",)";
    const std::string int4 = R"("num_bits":4,"type":"int",)",
                      int8 = R"("num_bits":8,"type":"int",)";
    const std::string fp8 = R"("num_bits":8,"type":"float",)";
    const std::string g128 = R"("strategy":"group","group_size":128)";
    const std::string channel = R"("strategy":"channel","group_size":null)";
    const auto packed = [&](const std::string& weights) {
        return compressed_config("pack-quantized", weights);
    };
    const auto ints = [&](const std::string& weights) {
        return compressed_config("int-quantized", weights, token);
    };
    const auto floats = [&](const std::string& weights) {
        return compressed_config("float-quantized", weights, token);
    };
    constexpr auto bf16 = DType::bf16;
    return {
        {"w4a16", packed(int4 + sym + g128), 4, false, false, 128, 1, bf16, write_packed},
        {"w4a16 asymmetric", packed(int4 + asym + g128), 4, false, true, 128, 1, bf16,
         write_packed},
        {"w4a16 channel", packed(int4 + sym + channel), 4, false, false, 0, 1, bf16, write_packed},
        {"w8a16", packed(int8 + sym + g128), 8, false, false, 128, 1, bf16, write_packed},
        {"w8a16 asymmetric", packed(int8 + asym + g128), 8, false, true, 128, 1, bf16,
         write_packed},
        {"w8a8", ints(int8 + sym + channel), 8, false, false, 0, 1, bf16, bytes},
        {"w8a8 asymmetric", ints(int8 + asym + channel), 8, false, true, 0, 1, bf16, bytes},
        {"w8a8 group", ints(int8 + sym + g128), 8, false, false, 128, 1, bf16, bytes},
        {"fp8 group", floats(fp8 + sym + g128), 8, true, false, 128, 1, bf16, bytes},
        {"fp8 dynamic", floats(fp8 + sym + channel), 8, true, false, 0, 1, bf16, bytes},
        {"fp8 static", floats(fp8 + sym + R"("strategy":"tensor")"), 8, true, false, 0, 0, bf16,
         of_tensor},
        {"fp8 block", floats(fp8 + sym + R"("strategy":"block","block_structure":[128,128])"), 8,
         true, false, 128, 128, DType::f32, bytes}};
}

inline std::vector<QuantizedFormat> fp8_formats() {
    const auto one = [](auto& file, auto& module, auto& w, auto& format) {
        write_bytes(file, module, w, format, "weight_scale", {});
        file.add(module + ".input_scale", "F32", {}, std::vector<float>{0.5f});
    };
    const auto blocks = [](auto& file, auto& module, auto& w, auto& format) {
        write_bytes(file, module, w, format, "weight_scale_inv", {w.n_row_groups(), w.n_groups()});
    };
    return {{"autofp8", R"({"quant_method":"fp8","activation_scheme":"static"})", 8, true, false, 0,
             0, DType::f32, one},
            {"fp8 blocks",
             R"({"quant_method":"fp8","activation_scheme":"dynamic","fmt":"e4m3",)"
             R"("weight_block_size":[128,128]})",
             8, true, false, 128, 128, DType::f32, blocks}};
}

/// All that is served.
inline std::vector<QuantizedFormat> quantized_formats() {
    std::vector<QuantizedFormat> all;
    for (auto& some : {awq_formats(), gptq_formats(), compressed_formats(), fp8_formats()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

/// A checkpoint of random weights, quantised in a format, as its tools leave it.
class QuantizedCheckpoint {
  public:
    /// `has_stray_bias`: of a layer that has none, as some tools leave it.
    QuantizedCheckpoint(const HashedShape& shape, const QuantizedFormat& format, unsigned seed,
                        int layers = 2, bool has_stray_bias = true)
        : format_(format), random_(seed) {
        const int h = shape.hidden, kv = h / shape.heads * shape.kv_heads;
        const int inner = shape.intermediate;
        add_numbers("model.embed_tokens.weight", {kHashedVocab, h}, 0, 0.35f);
        for (int i = 0; i < layers; i++) {
            const std::string p = "model.layers." + std::to_string(i) + ".";
            add_numbers(p + "input_layernorm.weight", {h}, 1, 0.25f);
            add_numbers(p + "post_attention_layernorm.weight", {h}, 1, 0.25f);
            for (auto [name, n] : {std::pair{"q", h}, {"k", kv}, {"v", kv}}) {
                add_linear(p + "self_attn." + name + "_proj", n, h);
                add_numbers(p + "self_attn." + name + "_proj.bias", {n}, 0, 0.5f);
            }
            add_linear(p + "self_attn.o_proj", h, h);
            // Some tools save a bias that nobody asked for.
            if (i == 0) add_numbers(p + "self_attn.o_proj.bias", {h}, 0, 0);
            add_linear(p + "mlp.gate_proj", inner, h), add_linear(p + "mlp.up_proj", inner, h);
            if (i == 1 && has_stray_bias) add_numbers(p + "mlp.up_proj.bias", {inner}, 0, 0.5f);
            add_linear(p + "mlp.down_proj", h, inner);
        }
        add_numbers("model.norm.weight", {h}, 1, 0.25f);
        dir_.write("model.safetensors", file_.content());
        write_config(shape, layers);
        checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(dir_.path()));
    }

    std::shared_ptr<const Checkpoint> checkpoint;
    std::map<std::string, QuantizedLinear> linears;  // by module
    const std::filesystem::path& path() const { return dir_.path(); }

  private:
    void add_numbers(const std::string& name, const std::vector<int64_t>& shape, float mean,
                     float width) {
        int64_t n = 1;
        for (int64_t dim : shape) n *= dim;
        std::uniform_real_distribution<float> uniform(-1, 1);
        std::vector<float> values;
        for (int64_t i = 0; i < n; i++) values.push_back(mean + width * uniform(random_));
        file_.add(name, "BF16", shape, float_bytes(values, DType::bf16));
    }

    void add_linear(const std::string& module, int n, int k) {
        const auto& made =
            linears.emplace(module, random_linear(n, k, format_, random_)).first->second;
        format_.write(file_, module, made, format_);
    }

    void write_config(const HashedShape& s, int layers) {
        auto number = [](const char* name, int64_t value) {
            return std::string("\"") + name + "\":" + std::to_string(value) + ",";
        };
        dir_.write(
            "config.json",
            "{" + number("vocab_size", kHashedVocab) + number("hidden_size", s.hidden) +
                number("intermediate_size", s.intermediate) + number("num_hidden_layers", layers) +
                number("num_attention_heads", s.heads) + number("num_key_value_heads", s.kv_heads) +
                number("max_position_embeddings", s.max_position) +
                R"("rms_norm_eps":1e-6,"rope_theta":1000000.0,"tie_word_embeddings":true,)"
                R"("quantization_config":)" +
                format_.config + R"(,"architectures":["Qwen2ForCausalLM"]})");
    }

    QuantizedFormat format_;
    std::mt19937 random_;
    TempDir dir_;
    TensorFile file_;
};

}  // namespace qwend
