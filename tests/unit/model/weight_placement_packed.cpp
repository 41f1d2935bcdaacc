// Where a device has quantised weights: every row of codes and scales, and which it does not take.

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/error.h"
#include "model/packed_linear.h"
#include "model/weight_placement.h"

using namespace qwend;

namespace {

StoredTensor tensor(std::vector<int64_t> shape) {
    StoredTensor t;
    t.dtype = DType::bf16, t.n_bytes = 2;
    for (int64_t dim : shape) t.n_bytes *= size_t(dim);
    t.shape = std::move(shape);
    return t;
}

/// A model in no file, none of whose layers are quantised yet.
struct Model {
    ModelConfig config;
    Weights weights;

    Model(int n_layers, int inner) {
        ModelConfig& c = config;
        c.n_heads = 4, c.n_kv_heads = 2, c.head_dim = 64, c.hidden_size = 256;
        c.intermediate_size = inner, c.vocab_size = 96, c.n_layers = n_layers;
        weights.embedding = tensor({c.vocab_size, c.hidden_size});
        weights.final_norm = tensor({c.hidden_size});
        for (int i = 0; i < n_layers; i++) {
            LayerWeights l;
            l.input_norm = l.post_attention_norm = tensor({c.hidden_size});
            l.q = linear(256, 256), l.k = linear(128, 256), l.v = linear(128, 256);
            l.o = linear(256, 256), l.gate = linear(inner, 256), l.up = linear(inner, 256);
            l.down = linear(256, inner);
            for (StoredLinear* biased : {&l.q, &l.k, &l.v}) biased->bias = tensor({biased->n});
            weights.layers.push_back(l);
        }
        weights.lm_head = linear(c.vocab_size, c.hidden_size);
    }
    WeightPlacement place(size_t copy_bytes = WeightPlacement::kCopyBytes) const {
        return {weights, shard_of(config, 0, 1), copy_bytes};
    }

    static StoredLinear linear(int n, int k) {
        StoredLinear l;
        l.n = n, l.k = k, l.weight = tensor({n, k});
        return l;
    }
};

void quantize(std::initializer_list<StoredLinear*> linears, LinearKind kind, int group) {
    for (StoredLinear* linear : linears) {
        linear->kind = kind;
        linear->quantized = QuantizedParts{};
        linear->quantized->name = "the layer of " + std::to_string(linear->n);
        linear->quantized->group = group > 0 ? group : linear->k;
    }
}

/// A byte of a device's memory: what is there, by its tensor or layer, and of which row.
struct Owner {
    const void* what = nullptr;
    enum { nothing, numbers, codes, scales } kind = nothing;
    int row = 0;
    bool operator==(const Owner&) const = default;
};

class Memory {
  public:
    Memory(const WeightPlacement& placed, size_t copy_bytes) : bytes_(placed.n_bytes) {
        for (const WeightCopy& copy : placed.copies)
            write(copy.to, copy.n_runs * copy.n * (copy.to_float ? 4 : 2),
                  {copy.from, Owner::numbers, 0});
        for (const WeightPack& pack : placed.packs) {
            const size_t codes = row_codes(*pack.from), scales = row_scales(*pack.from);
            CHECK((pack.first % 8 == 0 && pack.n % 8 == 0));
            CHECK(size_t(pack.n) * (codes + scales) <= copy_bytes);
            for (int i = 0; i < pack.n; i++) {
                write(pack.codes + size_t(i) * codes, codes,
                      {pack.from, Owner::codes, pack.first + i});
                write(pack.scales + size_t(i) * scales, scales,
                      {pack.from, Owner::scales, pack.first + i});
            }
        }
    }

    /// Takes away what should be there, of layers below each other.
    void take(WeightPlacement::Matrix at, std::initializer_list<const StoredLinear*> linears) {
        CHECK((at.data % 256 == 0 && at.scales % 256 == 0));
        int n_wrong = 0;
        for (const StoredLinear* linear : linears) {
            if (linear->kind == LinearKind::dense) {
                n_wrong += take(at.data, linear->weight.n_bytes, {&linear->weight, Owner::numbers});
                continue;
            }
            for (int row = 0; row < linear->n; row++) {
                n_wrong += take(at.data, row_codes(*linear), {linear, Owner::codes, row});
                n_wrong += take(at.scales, row_scales(*linear), {linear, Owner::scales, row});
            }
        }
        CHECK(n_wrong == 0);
    }
    /// Whatever is left of matrices that are packed.
    bool has_packed() const {
        for (const Owner& owner : bytes_)
            if (owner.kind == Owner::codes || owner.kind == Owner::scales) return true;
        return false;
    }

  private:
    static size_t row_codes(const StoredLinear& linear) {
        return size_t(linear.k) / (linear.kind == LinearKind::int4 ? 2 : 1);
    }
    static size_t row_scales(const StoredLinear& linear) {
        return size_t(linear.k / linear.quantized->group) * 4;
    }
    void write(size_t at, size_t n, Owner owner) {
        for (size_t i = at; i < at + n; i++) {
            if (i >= bytes_.size() || bytes_[i].what) FAIL("byte " << i << " is written again");
            bytes_[i] = owner;
        }
    }
    int take(size_t& at, size_t n, Owner expected) {
        int n_wrong = 0;
        for (const size_t end = at + n; at < end; at++) {
            n_wrong += at >= bytes_.size() || bytes_[at] != expected;
            if (at < bytes_.size()) bytes_[at] = {};
        }
        return n_wrong;
    }

    std::vector<Owner> bytes_;
};

}  // namespace

TEST_CASE("weight_placement: every row of quantised layers is where it belongs, once") {
    std::mt19937 random(20250611);
    auto pick = [&](std::initializer_list<int> from) {
        return from.begin()[random() % from.size()];
    };
    for (int turn = 0; turn < 40; turn++) {
        CAPTURE(turn);
        Model model(pick({1, 2}), pick({128, 384, 640}));
        auto maybe = [&](std::initializer_list<StoredLinear*> linears) {
            const LinearKind kinds[] = {LinearKind::int4, LinearKind::int8, LinearKind::fp8};
            if (pick({0, 1, 1, 1}))
                quantize(linears, kinds[pick({0, 1, 2})], pick({0, 32, 64, 128}));
        };
        for (LayerWeights& l : model.weights.layers) {
            maybe({&l.q, &l.k, &l.v}), maybe({&l.o});
            maybe({&l.gate, &l.up}), maybe({&l.down});
        }
        maybe({&model.weights.lm_head});
        const auto copy_bytes = size_t(pick({8192, 20000, 1 << 20}));
        const WeightPlacement placed = model.place(copy_bytes);
        Memory memory(placed, copy_bytes);
        for (size_t i = 0; i < placed.layers.size(); i++) {
            const LayerWeights& l = model.weights.layers[i];
            const WeightPlacement::Layer& at = placed.layers[i];
            memory.take(at.qkv, {&l.q, &l.k, &l.v}), memory.take(at.o, {&l.o});
            memory.take(at.gate_up, {&l.gate, &l.up}), memory.take(at.down, {&l.down});
        }
        memory.take(placed.lm_head, {&model.weights.lm_head});
        CHECK(!memory.has_packed());
        // What is packed of a layer is together, so that its tensors are read once.
        std::vector<const StoredLinear*> order;
        for (const WeightPack& pack : placed.packs)
            if (order.empty() || order.back() != pack.from) order.push_back(pack.from);
        std::sort(order.begin(), order.end());
        CHECK(std::adjacent_find(order.begin(), order.end()) == order.end());
    }
}

TEST_CASE("weight_placement: quantised layers that a device does not take are refused by name") {
    constexpr auto int4 = LinearKind::int4, int8 = LinearKind::int8;
    auto refused = [](const Model& model, const char* text) {
        CHECK_THROWS_WITH_AS(model.place(), doctest::Contains(text), LoadError);
    };
    {
        Model model(1, 384);
        LayerWeights& l = model.weights.layers[0];
        quantize({&l.q, &l.v}, int4, 128);
        refused(model, "the layer of 256: expected the layers of its input to be quantised like");
    }
    for (auto [kind, group] : {std::pair{int8, 128}, {int4, 64}}) {
        Model model(1, 384);
        LayerWeights& l = model.weights.layers[0];
        quantize({&l.gate}, int4, 128), quantize({&l.up}, kind, group);
        refused(model, "quantised like it, found the layer of 384 with other codes or groups");
    }
    {
        Model model(1, 384);
        StoredLinear& o = model.weights.layers[0].o;
        quantize({&o}, int4, 128);
        o.bias = tensor({256});
        refused(model, "the layer of 256: expected no bias or one of zeros");
    }
    {
        Model model(1, 160);
        quantize({&model.weights.layers[0].down}, int8, 32);
        refused(model, "the layer of 256: expected inputs that are a multiple of 128, found 160");
    }
    {
        Model model(1, 384);
        quantize({&model.weights.layers[0].down}, int8, 16);
        refused(model, "expected groups of 32, 64, 128 inputs");
    }
    for (int rank : {0, 1}) {
        Model model(1, 384);
        LayerWeights& l = model.weights.layers[0];
        quantize({&l.gate, &l.up}, int8, 128);
        CHECK_THROWS_WITH_AS(WeightPlacement(model.weights, shard_of(model.config, rank, 2)),
                             doctest::Contains("where several GPUs share a model"), LoadError);
    }
}
