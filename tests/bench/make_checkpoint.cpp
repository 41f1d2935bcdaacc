// Writes a checkpoint folder with random weights in a published shape: speed does not depend on the
// weights' values, and the real ones are large. The tokenizer comes from a folder that has one.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "model/bf16.h"
#include "tests/bench/shapes.h"

namespace {

namespace fs = std::filesystem;

using Shape = qwend::PublishedShape;

struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
    float mean, spread;  // values are uniform in mean ± spread; of codes, all bits are random
    std::string dtype = "BF16";
    int64_t size() const {
        int64_t n = 1;
        for (int64_t dim : shape) n *= dim;
        return n;
    }
    int64_t element_bytes() const {
        return dtype == "I32" ? 4 : dtype[0] == 'I' || dtype == "F8_E4M3" ? 1 : 2;
    }
};

/// How linear layers are stored, and what config.json says of it.
struct Scheme {
    std::string name, config;
};
const std::vector<Scheme> kSchemes = {
    {"none", ""},
    {"awq",
     R"({"quant_method":"awq","bits":4,"group_size":128,"version":"gemm","zero_point":true})"},
    {"int8",
     R"({"quant_method":"compressed-tensors","format":"int-quantized","config_groups":{"group_0":)"
     R"({"weights":{"num_bits":8,"type":"int","symmetric":true,"strategy":"channel"},)"
     R"("targets":["Linear"]}},"ignore":["lm_head"]})"},
    {"fp8",
     R"({"quant_method":"compressed-tensors","format":"float-quantized","config_groups":{"group_0":)"
     R"({"weights":{"num_bits":8,"type":"float","symmetric":true,"strategy":"channel"},)"
     R"("targets":["Linear"]}},"ignore":["lm_head"]})"}};

/// The tensors of a linear layer, whose weights are as large as those of a dense one of `spread`.
void add_linear(std::vector<Tensor>& t, const std::string& module, int64_t n, int64_t k,
                float spread, const std::string& scheme) {
    if (scheme == "none") {
        t.push_back({module + ".weight", {n, k}, 0, spread});
    } else if (scheme == "awq") {
        t.push_back({module + ".qweight", {k, n / 8}, 0, 0, "I32"});
        t.push_back({module + ".qzeros", {k / 128, n / 8}, 0, 0, "I32"});
        t.push_back({module + ".scales", {k / 128, n}, spread / 12, spread / 24});
    } else {
        const float largest = scheme == "int8" ? 128 : 64;  // e4m3's are most below
        t.push_back({module + ".weight", {n, k}, 0, 0, scheme == "int8" ? "I8" : "F8_E4M3"});
        t.push_back({module + ".weight_scale", {n, 1}, spread / largest, 0});
    }
}

/// Spreads keep activations near unit size whatever the width, as a trained model's are.
std::vector<Tensor> tensors_of(const Shape& s, const std::string& scheme) {
    const int64_t head_dim = s.hidden / s.heads, q = s.hidden, kv = s.kv_heads * head_dim;
    auto fan_in = [](int64_t k) { return float(std::sqrt(3.0 / double(k))); };
    std::vector<Tensor> t{{"model.embed_tokens.weight", {s.vocab, s.hidden}, 0, 0.03f},
                          {"model.norm.weight", {s.hidden}, 1, 0.1f}};
    for (int i = 0; i < s.layers; i++) {
        std::string p = fmt::format("model.layers.{}.", i);
        auto add = [&](const char* name, std::vector<int64_t> shape, float mean, float spread) {
            t.push_back({p + name, std::move(shape), mean, spread});
        };
        auto linear = [&](const char* name, int64_t n, int64_t k) {
            add_linear(t, p + name, n, k, fan_in(k), scheme);
        };
        add("input_layernorm.weight", {s.hidden}, 1, 0.1f);
        add("post_attention_layernorm.weight", {s.hidden}, 1, 0.1f);
        linear("self_attn.q_proj", q, s.hidden);
        add("self_attn.q_proj.bias", {q}, 0, 0.5f);
        linear("self_attn.k_proj", kv, s.hidden);
        add("self_attn.k_proj.bias", {kv}, 0, 0.5f);
        linear("self_attn.v_proj", kv, s.hidden);
        add("self_attn.v_proj.bias", {kv}, 0, 0.1f);
        linear("self_attn.o_proj", s.hidden, q);
        linear("mlp.gate_proj", s.intermediate, s.hidden);
        linear("mlp.up_proj", s.intermediate, s.hidden);
        linear("mlp.down_proj", s.hidden, s.intermediate);
    }
    if (!s.tied) t.push_back({"lm_head.weight", {s.vocab, s.hidden}, 0, fan_in(s.hidden)});
    return t;
}

void write_weights(const std::vector<Tensor>& tensors, const fs::path& path, uint64_t seed) {
    std::string header = R"({"__metadata__":{"format":"pt"})";
    int64_t at = 0;
    for (auto& t : tensors) {
        std::string dims;
        for (int64_t dim : t.shape) dims += fmt::format("{}{}", dims.empty() ? "" : ",", dim);
        header += fmt::format(R"(,"{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                              t.name, t.dtype, dims, at, at + t.element_bytes() * t.size());
        at += t.element_bytes() * t.size();
    }
    header += "}";
    header.append((8 - header.size() % 8) % 8, ' ');
    std::ofstream out(path, std::ios::binary);
    uint64_t length = header.size();
    out.write(reinterpret_cast<const char*>(&length), 8);
    out << header;
    uint64_t state = seed * 2 + 1;
    auto random = [&] {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return int32_t(state >> 32);
    };
    std::vector<qwend::bf16_t> buffer(1 << 20);
    for (auto& t : tensors) {
        // Of e4m3 neither NaN nor subnormals, which weights hardly have and kernels are slow with.
        const bool is_codes = t.dtype != "BF16";
        const int64_t n_halves = t.size() * t.element_bytes() / 2;
        for (int64_t done = 0; done < n_halves; done += int64_t(buffer.size())) {
            const size_t n = size_t(std::min<int64_t>(n_halves - done, int64_t(buffer.size())));
            for (size_t i = 0; i < n; i++)
                buffer[i] =
                    t.dtype == "F8_E4M3" ? (random() & 0xBFBF) | 0x2020
                    : is_codes
                        ? uint16_t(random())
                        : qwend::float_to_bf16(t.mean + t.spread * float(random()) * 0x1p-31f);
            out.write(reinterpret_cast<const char*>(buffer.data()), std::streamsize(2 * n));
        }
    }
    if (!out.flush()) throw std::runtime_error(fmt::format("cannot write {}", path.string()));
}

void write_config(const Shape& s, const std::string& quantization, const fs::path& dir) {
    std::ofstream(dir / "config.json") << fmt::format(
        R"({{"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_act":"silu",)"
        R"("hidden_size":{},"intermediate_size":{},"num_hidden_layers":{},)"
        R"("num_attention_heads":{},"num_key_value_heads":{},"vocab_size":{},)"
        R"("max_position_embeddings":32768,"rms_norm_eps":1e-6,"rope_theta":1000000.0,)"
        R"("tie_word_embeddings":{},"use_sliding_window":false,{}"torch_dtype":"bfloat16"}})",
        s.hidden, s.intermediate, s.layers, s.heads, s.kv_heads, s.vocab, s.tied,
        quantization.empty() ? "" : "\"quantization_config\":" + quantization + ",");
    std::ofstream(dir / "generation_config.json")
        << R"({"do_sample":true,"temperature":0.7,"top_p":0.8,"top_k":20,)"
           R"("repetition_penalty":1.05,"eos_token_id":[151645,151643]})";
}

}  // namespace

int main(int argc, char** argv) {
    std::string shape_name = "0.5b", dir, tokenizer, quantization = "none";
    uint64_t seed = 1;
    CLI::App app("Writes a checkpoint with random weights in a published Qwen2.5 shape.");
    app.add_option("--shape", shape_name, "0.5b 1.5b 3b 7b 14b 32b 72b")->capture_default_str();
    app.add_option("--tokenizer-from", tokenizer, "folder to copy the tokenizer files from")
        ->required();
    app.add_option("--quantization", quantization, "none awq int8 fp8")->capture_default_str();
    app.add_option("--seed", seed)->capture_default_str();
    app.add_option("dir", dir, "where to write")->required();
    CLI11_PARSE(app, argc, argv);
    try {
        const auto scheme = std::find_if(kSchemes.begin(), kSchemes.end(),
                                         [&](auto& s) { return s.name == quantization; });
        const Shape* shape = qwend::find_shape(shape_name);
        if (shape && scheme != kSchemes.end()) {
            fs::create_directories(dir);
            write_config(*shape, scheme->config, dir);
            for (auto name : {"tokenizer.json", "tokenizer_config.json"})
                if (fs::exists(fs::path(tokenizer) / name))
                    fs::copy_file(fs::path(tokenizer) / name, fs::path(dir) / name,
                                  fs::copy_options::overwrite_existing);
            write_weights(tensors_of(*shape, quantization), fs::path(dir) / "model.safetensors",
                          seed);
            return 0;
        }
        fmt::print(stderr, "make_checkpoint: no shape {} quantised as {}\n", shape_name,
                   quantization);
    } catch (const std::exception& error) {
        fmt::print(stderr, "make_checkpoint: {}\n", error.what());
    }
    return 1;
}
