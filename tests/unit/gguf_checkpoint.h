#pragma once

#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/gguf/names.h"
#include "model/weights.h"
#include "tests/unit/gguf_blocks.h"
#include "tests/unit/gguf_writer.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/quantized_checks.h"
#include "tests/unit/temp_dir.h"

namespace qwend {

/// Which type each matrix of a file has, by its name there.
struct GgufMix {
    std::string name;
    std::function<std::string(const std::string& tensor)> type_of;
    bool tied = true;
};

inline GgufMix all_of(const std::string& type) {
    return {type, [type](auto&) { return type; }};
}

/// As llama.cpp's quantiser mixes types, which is what published files are.
inline std::vector<GgufMix> gguf_mixes() {
    const auto has = [](const std::string& name, const char* part) {
        return name.find(part) != std::string::npos;
    };
    const auto q4_k_m = [has](const std::string& name) {
        const bool is_first = has(name, "blk.0.");
        if (has(name, "output.") && !has(name, "attn")) return "Q6_K";
        return (has(name, "attn_v") || has(name, "ffn_down")) && is_first ? "Q6_K" : "Q4_K";
    };
    const auto of_small = [has](const std::string& name) {
        if (has(name, "token_embd")) return "Q8_0";
        return has(name, "attn_v") ? "Q8_0" : has(name, "ffn_down") ? "Q6_K" : "Q5_0";
    };
    const auto odd = [has](const std::string& name) {
        if (has(name, "attn_k") || has(name, "ffn_up")) return "F16";
        return has(name, "attn_q") ? "F32" : has(name, "token_embd") ? "BF16" : "Q3_K";
    };
    return {{"Q4_K_M", q4_k_m, false}, {"Q4_K_M of 0.5B", of_small}, {"with numbers", odd}};
}

/// A random model as a GGUF file.
class GgufCheckpoint {
  public:
    GgufCheckpoint(const HashedShape& shape, GgufMix mix, unsigned seed, int layers = 2)
        : mix_(std::move(mix)), random_(seed) {
        const int h = shape.hidden, kv = h / shape.heads * shape.kv_heads;
        const int inner = shape.intermediate;
        add_metadata(shape, layers);
        add_matrix("token_embd.weight", kHashedVocab, h, 0.2f);
        if (!mix_.tied) add_matrix("output.weight", kHashedVocab, h, 0.2f);
        for (int i = 0; i < layers; i++) {
            const std::string p = "blk." + std::to_string(i) + ".";
            add_vector(p + "attn_norm.weight", h, 1, 0.25f);
            add_vector(p + "ffn_norm.weight", h, 1, 0.25f);
            for (auto [name, n] : {std::pair{"attn_q", h}, {"attn_k", kv}, {"attn_v", kv}}) {
                add_matrix(p + name + ".weight", n, h);
                add_vector(p + name + ".bias", n, 0, 0.5f);
            }
            add_matrix(p + "attn_output.weight", h, h);
            add_matrix(p + "ffn_gate.weight", inner, h), add_matrix(p + "ffn_up.weight", inner, h);
            add_matrix(p + "ffn_down.weight", h, inner);
        }
        add_vector("output_norm.weight", h, 1, 0.25f);
        checkpoint = std::make_shared<const Checkpoint>(
            open_checkpoint(dir_.write("model.gguf", file_.content())));
    }

    std::shared_ptr<const Checkpoint> checkpoint;
    std::map<std::string, std::vector<double>> matrices;  // by their names in the file

    const std::vector<double>& head() const {
        return matrices.at(mix_.tied ? "token_embd.weight" : "output.weight");
    }

  private:
    void add_metadata(const HashedShape& shape, int layers) {
        using W = GgufWriter;
        file_.add("general.architecture", W::text("qwen2"));
        for (auto [key, value] : {std::pair{"block_count", layers},
                                  {"context_length", shape.max_position},
                                  {"embedding_length", shape.hidden},
                                  {"feed_forward_length", shape.intermediate},
                                  {"attention.head_count", shape.heads},
                                  {"attention.head_count_kv", shape.kv_heads}})
            file_.add(std::string("qwen2.") + key, W::u32(uint32_t(value)));
        file_.add("qwen2.rope.freq_base", W::f32(1e6f));
        file_.add("qwen2.attention.layer_norm_rms_epsilon", W::f32(1e-6f));
    }

    std::vector<float> numbers(int n, float mean, float width) {
        std::uniform_real_distribution<float> uniform(-1, 1);
        std::vector<float> values;
        for (int i = 0; i < n; i++) values.push_back(mean + width * uniform(random_));
        return values;
    }

    void add_vector(const std::string& name, int n, float mean, float width) {
        file_.tensor(name, {n}, 0, float_bytes(numbers(n, mean, width), DType::f32));
        place(n * 4);
    }

    /// `width`: 0 for that of layers.
    void add_matrix(const std::string& name, int n, int k, float width = 0) {
        const std::string type = mix_.type_of(name);
        if (width == 0) width = 1 / std::sqrt(float(k));
        std::string data;
        std::vector<double>& weights = matrices[name];
        const bool is_numbers = type == "F32" || type == "F16" || type == "BF16";
        if (is_numbers) {
            const DType dtype = type == "F32"   ? DType::f32
                                : type == "F16" ? DType::f16
                                                : DType::bf16;
            std::vector<float> values = numbers(n * k, 0, width);
            for (float& value : values) value = bf16_to_float(float_to_bf16(value));  // of any type
            data = float_bytes(values, dtype);
            weights.assign(values.begin(), values.end());
        } else {
            const BlockTwin& twin = block_twin(type);
            for (int i = 0; i < n * k / twin.n_weights; i++)
                data += twin.random_block(random_, width);
            weights = twin.weights_of(data);
        }
        const uint32_t number = type == "F32"    ? 0
                                : type == "F16"  ? 1
                                : type == "BF16" ? 30
                                                 : block_twin(type).type;
        file_.tensor(name, {n, k}, number, data);
        place(int(data.size()));
    }

    void place(int n_bytes) {
        file_.offset(at_);
        at_ += (uint64_t(n_bytes) + 31) / 32 * 32;
    }

    GgufMix mix_;
    std::mt19937 random_;
    uint64_t at_ = 0;
    GgufWriter file_;
    TempDir dir_;
};

/// Holds a backend to the forward in double with what the description of the types makes of them.
/// Returns the divergence, of which a few random models have a hundred times what others have: a
/// bound of each is far, and one of all that are checked is near.
inline double check_gguf(const BackendFactory& make, const GgufMix& mix, const HashedShape& shape,
                         unsigned seed, int layers) {
    constexpr double kBound = 0.03;
    CAPTURE(mix.name);
    CAPTURE(seed);
    const GgufCheckpoint made(shape, mix, seed, layers);
    const SlowForward slow(*made.checkpoint, [&](const std::string& name) {
        const auto& weights = made.matrices.at(name);
        return std::vector<float>(weights.begin(), weights.end());
    });
    Driver driver(make, made.checkpoint, 4096);
    double total = 0;
    for (int length : {3, 20}) {
        CAPTURE(length);
        DrivenStream stream = make_stream(length);
        driver.run({&stream}, 1);
        const auto last = slow.hidden_states(stream.prompt).back();
        const double found =
            divergence_from(logprobs_of(logits_of(made.head(), last)), stream.samples[0]);
        CHECK(found < kBound);
        total += found;
    }
    MESSAGE(mix.name << ": KL to the forward in double " << total / 2);
    return total / 2;
}

/// What every backend has to show of GGUF files. `takes_numbers`: whether it takes numbers beside
/// quantised layers of one input.
inline void check_gguf_files(const BackendFactory& make, bool takes_numbers) {
    const HashedShape shape{"gguf", 256, 4, 2, 512, true};
    double total = 0;
    int n = 0;
    for (const BlockTwin& twin : block_twins()) {
        total += check_gguf(make, all_of(twin.name), shape, std::random_device{}(), 1);
        n++;
    }
    for (const GgufMix& mix : gguf_mixes()) {
        if (mix.name == "with numbers" && !takes_numbers) continue;
        total += check_gguf(make, mix, shape, std::random_device{}(), 2);
        n++;
    }
    CHECK(total / n < 2e-3);
}

}  // namespace qwend
