// Where a shard's weights go, element by element, against a twin that knows only what a shard is.

#include "model/weight_placement.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

using namespace qwend;

namespace {

/// A model of random sizes whose tensors are in no file.
struct RandomModel {
    ModelConfig config;
    Weights weights;
    int n_ranks;

    explicit RandomModel(std::mt19937& random) : random_(random) {
        ModelConfig& c = config;
        n_ranks = pick({1, 2, 3, 4, 8});
        const int shared_by = pick({1, 1, 2, 4});  // ranks that have the same KV head
        const bool replicates = n_ranks % shared_by == 0 && shared_by > 1;
        c.n_kv_heads = replicates ? n_ranks / shared_by : n_ranks * pick({1, 2, 3});
        c.n_heads = (replicates ? n_ranks : c.n_kv_heads) * pick({1, 2, 7});
        c.head_dim = pick({2, 8, 64}), c.hidden_size = pick({24, 40, 130});
        c.intermediate_size = 32 * (n_ranks + pick({0, 1, 5}));
        c.vocab_size = pick({7, 100}), c.n_layers = pick({1, 2});
        const int q = c.n_heads * c.head_dim, kv = c.n_kv_heads * c.head_dim;
        weights.embedding = tensor({c.vocab_size, c.hidden_size});
        weights.final_norm = tensor({c.hidden_size});
        for (int i = 0; i < c.n_layers; i++) {
            LayerWeights l;
            l.input_norm = tensor({c.hidden_size}), l.post_attention_norm = tensor({c.hidden_size});
            l.q = linear(q, c.hidden_size, true);
            l.k = linear(kv, c.hidden_size, true), l.v = linear(kv, c.hidden_size, true);
            l.o = linear(c.hidden_size, q, false);
            l.gate = linear(c.intermediate_size, c.hidden_size, false);
            l.up = linear(c.intermediate_size, c.hidden_size, false);
            l.down = linear(c.hidden_size, c.intermediate_size, false);
            weights.layers.push_back(l);
        }
        weights.tied = pick({0, 1}) == 1;
        weights.lm_head = linear(c.vocab_size, c.hidden_size, false);
    }

    int pick(std::initializer_list<int> from) { return from.begin()[random_() % from.size()]; }

  private:
    StoredTensor tensor(std::vector<int64_t> shape) {
        StoredTensor t;
        t.dtype = std::array{DType::bf16, DType::f16, DType::f32}[size_t(pick({0, 1, 2}))];
        t.n_bytes = dtype_size(t.dtype);
        for (int64_t dim : shape) t.n_bytes *= size_t(dim);
        t.shape = std::move(shape);
        return t;
    }
    StoredLinear linear(int n, int k, bool has_bias) {
        StoredLinear l;
        l.n = n, l.k = k, l.weight = tensor({n, k});
        if (has_bias) l.bias = tensor({n});
        return l;
    }

    std::mt19937& random_;
};

/// Two bytes of a device's memory: which element of which tensor is there, and which half of it.
struct Cell {
    const StoredTensor* tensor = nullptr;
    size_t element = 0;
    int half = 0;
    bool operator==(const Cell&) const = default;
};

/// The memory after all copies; nothing is written twice, or beyond a tensor or the memory.
std::vector<Cell> copied(const WeightPlacement& placed, size_t copy_bytes) {
    std::vector<Cell> memory(placed.n_bytes / 2);
    bool is_within = true;
    for (const WeightCopy& copy : placed.copies) {
        const size_t halves = copy.to_float ? 2 : 1;
        size_t at = copy.to / 2;
        REQUIRE(copy.to % 2 == 0);
        CHECK(copy.n_runs * copy.n * halves * 2 <= copy_bytes);
        for (size_t run = 0; run < copy.n_runs; run++)
            for (size_t i = 0; i < copy.n; i++) {
                const size_t element = copy.first + run * copy.stride + i;
                is_within &= element < copy.from->n_bytes / dtype_size(copy.from->dtype);
                for (size_t half = 0; half < halves; half++) {
                    is_within &= at < memory.size() && memory[at] == Cell{};
                    if (!is_within) FAIL("element " << element << " goes to " << 2 * at);
                    memory[at++] = {copy.from, element, int(half)};
                }
            }
    }
    return memory;
}

/// The twin: takes away from the memory what should be there, an element at a time.
class Twin {
  public:
    Twin(const RandomModel& model, int rank, int first_inner, int n_inner, std::vector<Cell> memory)
        : model_(model),
          rank_(rank),
          first_inner_(first_inner),
          n_inner_(n_inner),
          memory_(std::move(memory)) {}

    void take_layer(const LayerWeights& l, const WeightPlacement::Layer& at) {
        const size_t hidden = size_t(model_.config.hidden_size);
        const auto heads = rows_of_heads(false), kv_heads = rows_of_heads(true);
        const auto all = range(0, hidden), inner = range(size_t(first_inner_), size_t(n_inner_));
        take_vector(at.input_norm, {{&l.input_norm, all}});
        take_vector(at.post_attention_norm, {{&l.post_attention_norm, all}});
        take_matrix(at.qkv.data,
                    {{&l.q.weight, heads}, {&l.k.weight, kv_heads}, {&l.v.weight, kv_heads}}, all);
        take_vector(at.qkv_bias,
                    {{&*l.q.bias, heads}, {&*l.k.bias, kv_heads}, {&*l.v.bias, kv_heads}});
        take_matrix(at.o.data, {{&l.o.weight, all}}, heads);
        take_matrix(at.gate_up.data, {{&l.gate.weight, inner}, {&l.up.weight, inner}}, all);
        take_matrix(at.down.data, {{&l.down.weight, all}}, inner);
    }
    void take_ends(const WeightPlacement& placed) {
        const ModelConfig& c = model_.config;
        const auto all = range(0, size_t(c.hidden_size)), vocab = range(0, size_t(c.vocab_size));
        take_matrix(placed.embedding, {{&model_.weights.embedding, vocab}}, all);
        take_vector(placed.final_norm, {{&model_.weights.final_norm, all}});
        if (model_.weights.tied)
            CHECK(placed.lm_head.data == placed.embedding);
        else
            take_matrix(placed.lm_head.data, {{&model_.weights.lm_head.weight, vocab}}, all);
    }
    bool is_empty() const {
        return std::all_of(memory_.begin(), memory_.end(), [](Cell c) { return c == Cell{}; });
    }

  private:
    using Indices = std::vector<size_t>;
    using Parts = std::vector<std::pair<const StoredTensor*, Indices>>;  // tensors and their rows

    static Indices range(size_t begin, size_t n) {
        Indices indices;
        for (size_t i = 0; i < n; i++) indices.push_back(begin + i);
        return indices;
    }
    /// Rows of the rank's query heads, or of the KV heads that these attend to.
    Indices rows_of_heads(bool of_keys) const {
        const ModelConfig& c = model_.config;
        const int each = c.n_heads / model_.n_ranks, group = c.n_heads / c.n_kv_heads;
        Indices rows;
        int last = -1;
        for (int i = 0; i < each; i++) {
            const int head = rank_ * each + i, wanted = of_keys ? head / group : head;
            for (int d = 0; d < c.head_dim && wanted != last; d++)
                rows.push_back(size_t(wanted * c.head_dim + d));
            last = wanted;
        }
        return rows;
    }
    void take(size_t at, Cell expected) {
        n_wrong_ += at >= memory_.size() || memory_[at] != expected;
        if (at < memory_.size()) memory_[at] = {};
    }
    void take_matrix(size_t at, const Parts& parts, const Indices& columns) {
        CHECK(at % 256 == 0);
        at /= 2;
        for (const auto& [tensor, rows] : parts)
            for (size_t row : rows)
                for (size_t column : columns)
                    take(at++, {tensor, row * size_t(tensor->shape[1]) + column, 0});
        CHECK(std::exchange(n_wrong_, 0) == 0);
    }
    void take_vector(size_t at, const Parts& parts) {
        CHECK(at % 256 == 0);
        at /= 2;
        for (const auto& [tensor, rows] : parts)
            for (size_t row : rows)
                for (int half : {0, 1}) take(at++, {tensor, row, half});
        CHECK(std::exchange(n_wrong_, 0) == 0);
    }

    const RandomModel& model_;
    const int rank_, first_inner_, n_inner_;
    std::vector<Cell> memory_;
    size_t n_wrong_ = 0;
};

}  // namespace

TEST_CASE("weight_placement: every element of a shard is where it belongs, and nothing else") {
    std::mt19937 random(20240917);
    for (int turn = 0; turn < 60; turn++) {
        CAPTURE(turn);
        RandomModel model(random);
        const auto copy_bytes = size_t(model.pick({2048, 10000, 1 << 20}));
        int next_inner = 0;
        for (int rank = 0; rank < model.n_ranks; rank++) {
            CAPTURE(rank);
            const Shard shard = shard_of(model.config, rank, model.n_ranks);
            const WeightPlacement placed(model.weights, shard, copy_bytes);
            const int n_inner = shard.config.intermediate_size;
            Twin twin(model, rank, next_inner, n_inner, copied(placed, copy_bytes));
            REQUIRE(placed.layers.size() == model.weights.layers.size());
            for (size_t i = 0; i < placed.layers.size(); i++)
                twin.take_layer(model.weights.layers[i], placed.layers[i]);
            twin.take_ends(placed);
            CHECK(twin.is_empty());
            next_inner += n_inner;
            if (model.n_ranks > 1) continue;
            for (const WeightCopy& copy : placed.copies) CHECK(copy.n_runs == 1);
        }
        CHECK(next_inner == model.config.intermediate_size);
    }
}
