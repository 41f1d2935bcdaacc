#include "model/weight_placement.h"

#include <algorithm>
#include <utility>

#include "model/bf16.h"

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
    Layout(size_t copy_bytes, std::vector<WeightCopy>& copies)
        : copy_bytes_(copy_bytes), copies_(copies) {}

    /// Offset of the parts, below each other. Vectors have a single column.
    size_t place(std::initializer_list<Part> parts, bool to_float) {
        const size_t begin = size_;
        for (const Part& part : parts) add(part, to_float);
        size_ = (size_ + kAlign - 1) / kAlign * kAlign;
        return begin;
    }
    size_t size() const { return size_; }

  private:
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
};

}  // namespace

WeightPlacement::WeightPlacement(const Weights& w, const Shard& shard, size_t copy_bytes) {
    const ModelConfig& c = shard.config;
    const Range one(0, 1), hidden(0, c.hidden_size), vocab(0, c.vocab_size);
    const Range heads(shard.first_head * c.head_dim, c.n_heads * c.head_dim);
    const Range kv_heads(shard.first_kv_head * c.head_dim, c.n_kv_heads * c.head_dim);
    const Range inner(shard.first_inner, c.intermediate_size);
    Layout layout(copy_bytes, copies);
    auto vector = [&](const StoredTensor& from) {
        return layout.place({{&from, hidden, one}}, true);
    };
    embedding = layout.place({{&w.embedding, vocab, hidden}}, false);
    for (const LayerWeights& l : w.layers)
        layers.push_back(
            {vector(l.input_norm), vector(l.post_attention_norm),
             layout.place({{&l.q.weight, heads, hidden},
                           {&l.k.weight, kv_heads, hidden},
                           {&l.v.weight, kv_heads, hidden}},
                          false),
             layout.place({{&*l.q.bias, heads, one},
                           {&*l.k.bias, kv_heads, one},
                           {&*l.v.bias, kv_heads, one}},
                          true),
             layout.place({{&l.o.weight, hidden, heads}}, false),
             layout.place({{&l.gate.weight, inner, hidden}, {&l.up.weight, inner, hidden}}, false),
             layout.place({{&l.down.weight, hidden, inner}}, false)});
    final_norm = vector(w.final_norm);
    lm_head = w.tied ? embedding : layout.place({{&w.lm_head.weight, vocab, hidden}}, false);
    n_bytes = layout.size();
}

}  // namespace qwend
