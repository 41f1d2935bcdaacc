#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/bf16.h"
#include "model/rope.h"
#include "model/weights.h"
#include "tests/unit/dequantized.h"

namespace qwend {

/// Of a head (vocabulary, hidden).
inline std::vector<double> logits_of(const std::vector<double>& head,
                                     const std::vector<double>& state) {
    std::vector<double> logits(head.size() / state.size());
    for (size_t i = 0; i < head.size(); i++)
        logits[i / state.size()] += head[i] * state[i % state.size()];
    return logits;
}

/// The transformer in double, a token and a head at a time, as transformers' modeling_qwen2.py has
/// it: the slow twin of every backend's hidden states. Of checkpoints with SiLU, whose linear
/// layers may be quantised if somebody says what they stand for.
class SlowForward {
  public:
    using Rows = std::vector<std::vector<double>>;

    /// The weights (n, k) of a quantised module.
    using Dequantized = std::function<std::vector<float>(const std::string& module)>;

    explicit SlowForward(const Checkpoint& checkpoint, Dequantized dequantized = nullptr)
        : checkpoint_(checkpoint), c_(checkpoint.config), dequantized_(std::move(dequantized)) {}

    /// Of a final state.
    std::vector<double> logits(const std::vector<double>& state) const {
        return product(checkpoint_.weights.lm_head, {state})[0];
    }

    /// (n, hidden) after the last norm.
    Rows hidden_states(std::span<const int32_t> tokens) const {
        Rows x;
        const auto embedding = read(checkpoint_.weights.embedding);
        const auto width = size_t(c_.hidden_size);
        for (int32_t token : tokens)
            x.emplace_back(embedding.begin() + ptrdiff_t(size_t(token) * width),
                           embedding.begin() + ptrdiff_t(size_t(token + 1) * width));
        for (const LayerWeights& layer : checkpoint_.weights.layers) {
            const Rows attended = attend(layer, norm(x, layer.input_norm));
            add(x, product(layer.o, attended));
            const Rows normed = norm(x, layer.post_attention_norm);
            Rows gate = product(layer.gate, normed);
            const Rows up = product(layer.up, normed);
            for (size_t t = 0; t < gate.size(); t++)
                for (size_t i = 0; i < gate[t].size(); i++)
                    gate[t][i] *= up[t][i] / (1 + std::exp(-gate[t][i]));
            add(x, product(layer.down, gate));
        }
        return norm(x, checkpoint_.weights.final_norm);
    }

  private:
    std::vector<double> read(const StoredTensor& tensor) const {
        size_t n = 1;
        for (int64_t dim : tensor.shape) n *= size_t(dim);
        std::vector<float> values(n);
        if (tensor.dtype == DType::f32) {
            checkpoint_.files.read(tensor, 0, n * sizeof(float), values.data());
        } else {
            std::vector<uint16_t> bits(n);
            checkpoint_.files.read(tensor, 0, n * sizeof(uint16_t), bits.data());
            std::transform(bits.begin(), bits.end(), values.begin(),
                           tensor.dtype == DType::f16 ? half_to_float : bf16_to_float);
        }
        return {values.begin(), values.end()};
    }

    std::vector<double> matrix(const StoredLinear& linear) const {
        if (!linear.quantized) return read(linear.weight);
        if (linear.quantized->packing == CodePacking::at_load) {
            const auto values = dequantized(checkpoint_.files, linear);
            return {values.begin(), values.end()};
        }
        const std::string& name = linear.quantized->name;  // behind the folder's
        const auto values = dequantized_(name.substr(name.rfind(' ') + 1));
        return {values.begin(), values.end()};
    }

    static void add(Rows& to, const Rows& other) {
        for (size_t t = 0; t < to.size(); t++)
            for (size_t i = 0; i < to[t].size(); i++) to[t][i] += other[t][i];
    }

    Rows norm(const Rows& x, const StoredTensor& weight) const {
        const auto w = read(weight);
        Rows out = x;
        for (auto& row : out) {
            double squares = 0;
            for (double v : row) squares += v * v;
            const double rms = std::sqrt(squares / double(row.size()) + double(c_.rms_norm_eps));
            for (size_t i = 0; i < row.size(); i++) row[i] *= w[i] / rms;
        }
        return out;
    }

    Rows product(const StoredLinear& linear, const Rows& x) const {
        const auto w = matrix(linear);
        const auto bias = linear.bias ? read(*linear.bias) : std::vector<double>(size_t(linear.n));
        Rows out;
        for (const auto& row : x) {
            out.push_back(bias);
            for (size_t i = 0; i < bias.size(); i++)
                for (size_t k = 0; k < row.size(); k++)
                    out.back()[i] += w[i * row.size() + k] * row[k];
        }
        return out;
    }

    /// Turns each head's pairs (i, i + half).
    void turn(Rows& x) const {
        const RopeFrequencies rope = rope_frequencies(c_);
        const size_t half = rope.inv_freq.size();
        for (size_t t = 0; t < x.size(); t++)
            for (size_t head = 0; head < x[t].size(); head += 2 * half)
                for (size_t i = 0; i < half; i++) {
                    const double angle = double(t) * double(rope.inv_freq[i]), s = rope.scale;
                    const double a = x[t][head + i], b = x[t][head + half + i];
                    x[t][head + i] = s * (a * std::cos(angle) - b * std::sin(angle));
                    x[t][head + half + i] = s * (b * std::cos(angle) + a * std::sin(angle));
                }
    }

    Rows attend(const LayerWeights& layer, const Rows& x) const {
        Rows q = product(layer.q, x), k = product(layer.k, x), v = product(layer.v, x);
        turn(q), turn(k);
        Rows out(x.size(), std::vector<double>(q.empty() ? 0 : q[0].size()));
        const auto size = size_t(c_.head_dim), group = size_t(c_.n_heads / c_.n_kv_heads);
        for (size_t t = 0; t < x.size(); t++)
            for (size_t head = 0; head < size_t(c_.n_heads); head++)
                attend_head(k, v, q[t].data() + head * size, head / group * size,
                            c_.is_causal ? t + 1 : x.size(), out[t].data() + head * size);
        return out;
    }

    /// One head's attention to the first `n` keys, whose head begins at `first`.
    void attend_head(const Rows& k, const Rows& v, const double* query, size_t first, size_t n,
                     double* out) const {
        const auto size = size_t(c_.head_dim);
        std::vector<double> weights(n);
        double sum = 0;
        for (size_t key = 0; key < n; key++) {
            double score = 0;
            for (size_t i = 0; i < size; i++) score += query[i] * k[key][first + i];
            sum += weights[key] = std::exp(score / std::sqrt(double(size)));
        }
        for (size_t key = 0; key < n; key++)
            for (size_t i = 0; i < size; i++) out[i] += weights[key] / sum * v[key][first + i];
    }

    const Checkpoint& checkpoint_;
    const ModelConfig& c_;
    const Dequantized dequantized_;
};

}  // namespace qwend
