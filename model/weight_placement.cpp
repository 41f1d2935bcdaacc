#include "model/weight_placement.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "model/bf16.h"
#include "model/error.h"
#include "model/packed_linear.h"

namespace qwend {

namespace {

constexpr size_t kAlign = 256;  // of a tensor; wide loads need 16

struct Range {
    size_t begin, n;
    Range(int first, int count) : begin(size_t(first)), n(size_t(count)) {}
};

/// The rows and columns of a stored matrix that a shard has.
struct Part {
    const StoredTensor* from;
    Range rows, columns;
};

/// Places parts one behind the other and remembers what has to be copied.
class Layout {
  public:
    Layout(size_t copy_bytes, WeightPlacement& placed)
        : copy_bytes_(copy_bytes), copies_(placed.copies), packs_(placed.packs) {}

    /// Offset of the parts, below each other. Vectors have a single column.
    size_t place(const std::vector<Part>& parts, bool to_float) {
        const size_t begin = size_;
        for (const Part& part : parts) add(part, to_float);
        take(0);
        return begin;
    }
    size_t size() const { return size_; }

    /// Offsets of quantised layers' codes, below each other, and of their scales.
    WeightPlacement::Matrix pack(const std::vector<const StoredLinear*>& linears) {
        PackedShape all = packed_shape(*linears[0]);
        all.n = 0;
        for (const StoredLinear* linear : linears) all.n += linear->n;
        const WeightPlacement::Matrix begin{take(packed_code_bytes(all)),
                                            take(packed_scale_bytes(all))};
        const PackedShape row{all.kind, 1, all.k, all.group};
        const size_t row_codes = packed_code_bytes(row), row_scales = packed_scale_bytes(row);
        const size_t eights = copy_bytes_ / (kPackedRows * (row_codes + row_scales));
        const size_t most = kPackedRows * std::max(size_t(1), eights);
        size_t above = 0;  // rows of the layers before
        for (const StoredLinear* linear : linears) {
            const auto n = size_t(linear->n);
            for (size_t i = 0; i < n; i += most)
                packs_.push_back({linear, int(i), int(std::min(most, n - i)),
                                  begin.data + (above + i) * row_codes,
                                  begin.scales + (above + i) * row_scales});
            above += n;
        }
        return begin;
    }

  private:
    /// Offset of so many bytes; what follows is aligned.
    size_t take(size_t n_bytes) {
        const size_t begin = size_;
        size_ = (size_ + n_bytes + kAlign - 1) / kAlign * kAlign;
        return begin;
    }
    void add(const Part& part, bool to_float) {
        const size_t width = part.from->shape.size() > 1 ? size_t(part.from->shape[1]) : 1;
        const size_t element_bytes = to_float ? sizeof(float) : sizeof(bf16_t);
        const size_t per_copy = copy_bytes_ / element_bytes;
        size_t n_runs = part.rows.n, n = part.columns.n;
        const size_t first = part.rows.begin * width + part.columns.begin;
        if (n == width) n *= std::exchange(n_runs, 1);              // whole rows follow each other
        const size_t together = std::max(size_t(1), per_copy / n);  // runs of a copy
        for (size_t run = 0; run < n_runs; run += together)
            for (size_t i = 0; i < n; i += per_copy)
                copies_.push_back({part.from, first + run * width + i,
                                   std::min(together, n_runs - run), std::min(per_copy, n - i),
                                   width, size_ + (run * n + i) * element_bytes, to_float});
        size_ += n_runs * n * element_bytes;
    }

    size_t copy_bytes_, size_ = 0;
    std::vector<WeightCopy>& copies_;
    std::vector<WeightPack>& packs_;
};

/// Rows and columns that a shard has of a linear layer.
struct LinearPart {
    const StoredLinear* from;
    Range rows, columns;
};
using LinearParts = std::vector<LinearPart>;  // below each other

[[noreturn]] void refuse(const std::string& what) {
    throw LoadError(what + "; a GPU takes no other, device = cpu does");
}

/// Throws LoadError unless a device takes the layers, some of which are quantised, as one matrix.
void check_quantized(const LinearParts& parts, bool takes_bias) {
    const auto first = std::find_if(parts.begin(), parts.end(),
                                    [](auto& part) { return part.from->quantized.has_value(); });
    const StoredLinear& some = *first->from;
    const std::string& name = some.quantized->name;
    for (const auto& [linear, rows, columns] : parts) {
        if (!linear->quantized)
            refuse(name +
                   ": expected the layers of its input to be quantised like it, found one "
                   "that is not");
        if (linear->kind != some.kind || linear->quantized->group != some.quantized->group)
            refuse(name + ": expected the layers of its input to be quantised like it, found " +
                   linear->quantized->name + " with other codes or groups");
        if (rows.n != size_t(linear->n) || columns.n != size_t(linear->k))
            refuse(name +
                   ": expected BF16, F16 or F32 where several GPUs share a model, found "
                   "quantised weights");
        if (linear->bias && !takes_bias)
            refuse(linear->quantized->name + ": expected no bias or one of zeros, found another");
        const std::string fault = check_packed(linear->quantized->name, packed_shape(*linear));
        if (!fault.empty()) refuse(fault);
    }
}

}  // namespace

WeightPlacement::WeightPlacement(const Weights& w, const Shard& shard, size_t copy_bytes) {
    const ModelConfig& c = shard.config;
    const Range one(0, 1), hidden(0, c.hidden_size), vocab(0, c.vocab_size);
    const Range heads(shard.first_head * c.head_dim, c.n_heads * c.head_dim);
    const Range kv_heads(shard.first_kv_head * c.head_dim, c.n_kv_heads * c.head_dim);
    const Range inner(shard.first_inner, c.intermediate_size);
    Layout layout(copy_bytes, *this);
    auto vector = [&](const StoredTensor& from) {
        return layout.place({{&from, hidden, one}}, true);
    };
    auto matrix = [&](const LinearParts& parts, bool takes_bias = false) {
        std::vector<Part> dense;
        std::vector<const StoredLinear*> all;
        bool is_quantized = false;
        for (const auto& [linear, rows, columns] : parts) {
            dense.push_back({&linear->weight, rows, columns});
            all.push_back(linear);
            is_quantized |= linear->quantized.has_value();
        }
        if (!is_quantized) return Matrix{layout.place(dense, false), 0};
        check_quantized(parts, takes_bias);
        return layout.pack(all);
    };
    embedding = layout.place({{&w.embedding, vocab, hidden}}, false);
    for (const LayerWeights& l : w.layers)
        layers.push_back(
            {vector(l.input_norm), vector(l.post_attention_norm),
             matrix({{&l.q, heads, hidden}, {&l.k, kv_heads, hidden}, {&l.v, kv_heads, hidden}},
                    true),
             layout.place({{&*l.q.bias, heads, one},
                           {&*l.k.bias, kv_heads, one},
                           {&*l.v.bias, kv_heads, one}},
                          true),
             matrix({{&l.o, hidden, heads}}),
             matrix({{&l.gate, inner, hidden}, {&l.up, inner, hidden}}),
             matrix({{&l.down, hidden, inner}})});
    final_norm = vector(w.final_norm);
    lm_head = w.tied ? Matrix{embedding, 0} : matrix({{&w.lm_head, vocab, hidden}});
    n_bytes = layout.size();
}

}  // namespace qwend
