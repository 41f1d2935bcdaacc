#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/bf16.h"
#include "model/weights.h"
#include "tests/unit/temp_dir.h"

/// Checkpoints whose weights are a hash of the tensor's name: tests/golden/make_goldens.py makes
/// the same ones for transformers, so that no weights need to be kept.

namespace qwend {

struct HashedShape {
    std::string name;
    int hidden, heads, kv_heads, intermediate;
    bool tied;
    std::string rope_scaling = "null";
    int max_position = 32768;
    std::string hidden_act = "silu";
    bool is_causal = true;
};

/// YaRN's original limit is low enough for the long golden prompts to exceed it.
inline std::vector<HashedShape> golden_shapes() {
    return {{"head64_tied", 256, 4, 2, 480, true},
            {"head128_untied", 896, 7, 1, 384, false},
            {"head64_yarn", 320, 5, 1, 256, true,
             R"({"type":"yarn","factor":4.0,"original_max_position_embeddings":1024})"}};
}

/// Small enough for contexts of 131,072 tokens; with the YaRN that Qwen2.5's model cards publish.
inline HashedShape long_shape() {
    return {"yarn_131072",
            128,
            2,
            1,
            128,
            true,
            R"({"type":"yarn","factor":4.0,"original_max_position_embeddings":32768})",
            131072};
}

/// Other activations than SiLU.
inline std::vector<HashedShape> activation_shapes() {
    return {{"gelu", 256, 4, 2, 480, true, "null", 32768, "gelu"},
            {"relu2", 256, 4, 2, 480, true, "null", 32768, "relu2"}};
}

inline constexpr int kHashedVocab = 384;

/// How a hashed checkpoint's tensors are stored: each kind rounded to nearest, ties to even.
struct HashedTypes {
    DType matrices = DType::bf16;
    DType embedding = DType::bf16;
    DType vectors = DType::bf16;  // norms and biases
    DType values = DType::bf16;   // what all values are rounded to first
    std::function<float(size_t i, float value)> change = nullptr;  // of a tensor's values, before
};

/// Rounds to nearest, ties to even; for values below 65520.
inline uint16_t float_to_half(float value) {
    const float magnitude = std::fabs(value);
    const int exponent = magnitude == 0 ? -14 : std::max(std::ilogb(magnitude), -14);
    const int mantissa = int(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    return uint16_t((std::signbit(value) ? 0x8000 : 0) + ((exponent + 15) << 10) + mantissa - 1024);
}

class HashedCheckpoint {
  public:
    explicit HashedCheckpoint(const HashedShape& shape, int layers = 2, HashedTypes types = {})
        : types_(std::move(types)) {
        const int64_t h = shape.hidden, kv = h / shape.heads * shape.kv_heads,
                      inner = shape.intermediate;
        add("model.embed_tokens.weight", {kHashedVocab, h});
        for (int i = 0; i < layers; i++) {
            const std::string p = "model.layers." + std::to_string(i) + ".";
            add(p + "input_layernorm.weight", {h});
            add(p + "post_attention_layernorm.weight", {h});
            for (auto [name, n] : {std::pair{"q", h}, {"k", kv}, {"v", kv}}) {
                add(p + "self_attn." + name + "_proj.weight", {n, h});
                add(p + "self_attn." + name + "_proj.bias", {n});
            }
            add(p + "self_attn.o_proj.weight", {h, h});
            add(p + "mlp.gate_proj.weight", {inner, h});
            add(p + "mlp.up_proj.weight", {inner, h});
            add(p + "mlp.down_proj.weight", {h, inner});
        }
        add("model.norm.weight", {h});
        if (!shape.tied) add("lm_head.weight", {kHashedVocab, h});
        write(shape, layers);
        checkpoint = std::make_shared<const Checkpoint>(open_checkpoint(dir_.path()));
    }

    std::shared_ptr<const Checkpoint> checkpoint;
    const std::filesystem::path& path() const { return dir_.path(); }

  private:
    DType type_of(const std::string& name) const {
        if (name.find("norm") != std::string::npos || name.find("bias") != std::string::npos)
            return types_.vectors;
        return name.find("embed") != std::string::npos ? types_.embedding : types_.matrices;
    }

    /// Rounded to `type`, still as a float.
    static float rounded(float value, DType type) {
        if (type == DType::bf16) return bf16_to_float(float_to_bf16(value));
        return type == DType::f16 ? half_to_float(float_to_half(value)) : value;
    }

    void append(float value, DType type) {
        char bytes[sizeof value];
        const uint16_t bits = type == DType::f16 ? float_to_half(value) : float_to_bf16(value);
        std::memcpy(bytes, &bits, sizeof bits);
        if (type == DType::f32) std::memcpy(bytes, &value, sizeof value);
        data_.append(bytes, dtype_size(type));
    }

    static void spread(const std::string& name, const std::vector<int64_t>& shape, double& mean,
                       double& width) {
        mean = 0;
        if (name.find("norm") != std::string::npos)
            mean = 1, width = 0.25;
        else if (name.find("bias") != std::string::npos)
            width = 0.5;
        else if (name.find("embed") != std::string::npos ||
                 name.find("lm_head") != std::string::npos)
            width = 0.35;
        else
            width = std::sqrt(3.0 / double(shape.back()));
    }

    void add(const std::string& name, const std::vector<int64_t>& shape) {
        uint64_t hash = 0xcbf29ce484222325u;
        for (char c : name) hash = (hash ^ uint8_t(c)) * 0x100000001b3u;
        int64_t n = 1;
        std::string dims;
        for (int64_t dim : shape) n *= dim, dims += (dims.empty() ? "" : ",") + std::to_string(dim);
        double mean = 0, width = 0;
        spread(name, shape, mean, width);
        const DType type = type_of(name);
        const size_t begin = data_.size();
        for (int64_t i = 0; i < n; i++) {
            uint64_t z = hash + uint64_t(i + 1) * 0x9E3779B97F4A7C15u;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
            z ^= z >> 31;
            const double uniform = double(z >> 40) * 0x1p-23 - 1.0;
            float value = float(mean + width * uniform);
            if (types_.change) value = types_.change(size_t(i), value);
            append(rounded(value, types_.values), type);
        }
        header_ += (header_.empty() ? "{" : ",") + ("\"" + name) + R"(":{"dtype":")" +
                   std::string(dtype_name(type)) + R"(","shape":[)" + dims +
                   R"(],"data_offsets":[)" + std::to_string(begin) + "," +
                   std::to_string(data_.size()) + "]}";
    }

    void write(const HashedShape& s, int layers) {
        header_ += "}";
        std::string file(8, '\0');
        for (int i = 0; i < 8; i++) file[size_t(i)] = char(header_.size() >> (8 * i));
        dir_.write("model.safetensors", file + header_ + data_);
        auto number = [](const char* name, int64_t value) {
            return std::string("\"") + name + "\":" + std::to_string(value) + ",";
        };
        dir_.write(
            "config.json",
            "{" + number("vocab_size", kHashedVocab) + number("hidden_size", s.hidden) +
                number("intermediate_size", s.intermediate) + number("num_hidden_layers", layers) +
                number("num_attention_heads", s.heads) + number("num_key_value_heads", s.kv_heads) +
                number("max_position_embeddings", s.max_position) + "\"hidden_act\":\"" +
                s.hidden_act + "\",\"rope_scaling\":" + s.rope_scaling +
                ",\"rms_norm_eps\":1e-6,\"rope_theta\":1000000.0,\"tie_word_embeddings\":" +
                (s.tied ? "true" : "false") + ",\"is_causal\":" + (s.is_causal ? "true" : "false") +
                R"(,"architectures":["Qwen2ForCausalLM"]})");
    }

    TempDir dir_;
    HashedTypes types_;
    std::string header_, data_;
};

}  // namespace qwend
