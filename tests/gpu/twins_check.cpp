// The twins against model/cpu/ops and model/cpu/attention, and their bounds against the mistakes
// they are there to notice. Needs no GPU.

#include <numeric>

#include "model/cpu/attention.h"
#include "model/cpu/glu.h"
#include "model/cpu/ops.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

bool is_within(double x, Bounded b) {
    return std::fabs(x - b.value) <= b.bound;
}

}  // namespace

TEST_CASE("twins: rounding") {
    CHECK(half_ulp(1.0, kBf16Bits) == 0x1p-8);
    CHECK(half_ulp(1.99, kBf16Bits) == 0x1p-8);
    CHECK(half_ulp(-0.75, kFloatBits) == 0x1p-25);
    Random random(test_seed());
    for (float x : random.floats(1000)) {
        CHECK(
            is_within(double(bf16_to_float(float_to_bf16(x))), rounded({double(x), 0}, kBf16Bits)));
        const float root = std::sqrt(std::fabs(x));
        CHECK(is_within(double(root), rounded({std::sqrt(std::fabs(double(x))), 0}, kFloatBits)));
    }
}

TEST_CASE("twins: elementwise ones equal the CPU's operations") {
    Random random(test_seed());
    constexpr int n = 896;
    const auto x = random.floats(n, 2), weight = random.floats(n, 0.3f, 1),
               gate_up = random.floats(2 * n, 4);
    std::vector<float> normed(n), gated(n);
    rmsnorm(x.data(), weight.data(), 1e-6f, n, normed.data());
    double sum = 0;
    for (float value : x) sum += double(value) * double(value);
    for (size_t i = 0; i < n; i++) {
        const double product = double(x[i]) * double(weight[i]);
        CHECK(is_within(double(normed[i]), divide_by_rms({product, 0}, sum, n, 1e-6)));
    }
    for (const auto& [name, activation] : named_activations()) {
        CAPTURE(name);
        glu(activation, gate_up.data(), n, gated.data());
        for (size_t i = 0; i < n; i++)
            CHECK(is_within(double(gated[i]), activation_times(activation, {double(gate_up[i]), 0},
                                                               {double(gate_up[n + i]), 0})));
    }
    std::vector<float> cos(32), sin(32), head = random.floats(64), turned = head;
    for (size_t i = 0; i < 32; i++) cos[i] = std::cos(x[i]), sin[i] = std::sin(x[i]);
    rope(turned.data(), cos.data(), sin.data(), 64);
    for (size_t i = 0; i < 32; i++) {
        const BoundedPair pair =
            rotate({double(head[i]), 0}, {double(head[i + 32]), 0}, double(cos[i]), double(sin[i]));
        CHECK(is_within(double(turned[i]), pair.low));
        CHECK(is_within(double(turned[i + 32]), pair.high));
    }
}

TEST_CASE("twins: a product's bound admits f32 and notices a missing step of 32") {
    Random random(test_seed());
    for (int k : {256, 896, 4864, 18944})
        for (int bits : {kBf16Bits, kFloatBits}) {
            CAPTURE(k);
            constexpr int kTurns = 200;
            int n_within = 0, n_noticed = 0;
            for (int turn = 0; turn < kTurns; turn++) {
                const auto a = random.bf16s(size_t(k)),
                           b = random.bf16s(size_t(k), 1 / std::sqrt(float(k)));
                float sum = 0;
                for (size_t i = 0; i < a.size(); i++)
                    sum += bf16_to_float(a[i]) * bf16_to_float(b[i]);
                const float y = bits == kBf16Bits ? bf16_to_float(float_to_bf16(sum)) : sum;
                const Bounded whole = rounded(dot(a.data(), b.data(), k), bits);
                n_within += is_within(double(y), whole);
                n_noticed += !is_within(dot(a.data(), b.data(), k - 32).value, whole);
            }
            CHECK(n_within == kTurns);
            CHECK(n_noticed > kTurns / 2);
        }
}

TEST_CASE("twins: attention equals the CPU's, and a missing key is noticed") {
    Random random(test_seed());
    for (int head_dim : {64, 128})
        for (int n : {1, 17, 100, 1100, 5000}) {
            CAPTURE(head_dim);
            CAPTURE(n);
            const size_t dims = size_t(head_dim), size = size_t(n) * dims;
            const auto keys = random.bf16s(size), values = random.bf16s(size);
            const size_t slots = (size_t(n) + 15) / 16 * 16;
            std::vector<bf16_t> cache_keys(slots * dims), cache_values(slots * dims);
            const KvLayer layer{cache_keys.data(), cache_values.data(), 1, head_dim};
            auto widened = [](const std::vector<bf16_t>& from, size_t begin, size_t count) {
                std::vector<float> to;
                for (size_t i = begin; i < begin + count; i++) to.push_back(bf16_to_float(from[i]));
                return to;
            };
            for (size_t j = 0; j < size_t(n); j++)
                layer.write(j, widened(keys, j * dims, dims).data(),
                            widened(values, j * dims, dims).data());
            Batch batch;
            batch.block_tables.resize(slots / 16);
            std::iota(batch.block_tables.begin(), batch.block_tables.end(), 0);
            batch.tokens = {0}, batch.positions = {n - 1};
            BatchSequence sequence;
            sequence.n_query = 1, sequence.n_context = n;
            batch.sequences = {sequence};
            const int target = random.below(n);
            for (bool points : {false, true}) {
                std::vector<bf16_t> query = random.bf16s(dims);
                for (size_t d = 0; d < dims && points; d++)
                    query[d] = float_to_bf16(3 * bf16_to_float(keys[size_t(target) * dims + d]));
                std::vector<float> out(dims);
                CpuAttention({1, 1, head_dim, 16})
                    .run(batch, layer, widened(query, 0, dims).data(), out.data());
                std::vector<Bounded> whole(dims), without(dims);
                attend(query.data(), keys.data(), values.data(), n, head_dim, whole.data());
                for (size_t d = 0; d < dims; d++)
                    CHECK(is_within(double(bf16_to_float(float_to_bf16(out[d]))), whole[d]));
                if (!points || n == 1) continue;
                auto fewer_keys = keys, fewer_values = values;
                const auto gone = std::ptrdiff_t(size_t(target) * dims);
                for (auto* from : {&fewer_keys, &fewer_values})
                    from->erase(from->begin() + gone, from->begin() + gone + head_dim);
                attend(query.data(), fewer_keys.data(), fewer_values.data(), n - 1, head_dim,
                       without.data());
                int n_noticed = 0;
                for (size_t d = 0; d < dims; d++)
                    n_noticed += !is_within(without[d].value, whole[d]);
                CHECK(n_noticed > head_dim / 2);
            }
        }
}

TEST_CASE("twins: counting notices one key too few or too many in any context") {
    Random random(test_seed());
    constexpr int head_dim = 64;
    for (int n : {2, 17, 513, 5000, 33000, 50000}) {
        CAPTURE(n);
        const auto values = random.integers(size_t(n + 1) * head_dim);
        std::vector<Bounded> whole(head_dim), fewer(head_dim), more(head_dim), first(head_dim);
        attend_evenly(values.data(), n, head_dim, whole.data());
        attend_evenly(values.data(), n - 1, head_dim, fewer.data());
        attend_evenly(values.data() + head_dim, n - 1, head_dim, first.data());
        attend_evenly(values.data(), n + 1, head_dim, more.data());
        for (const auto& wrong : {fewer, first, more}) {
            int n_noticed = 0;
            for (size_t d = 0; d < head_dim; d++) n_noticed += !is_within(wrong[d].value, whole[d]);
            CHECK(n_noticed > head_dim / 8);
        }
        // With all weights one, attend() is the same mean.
        const std::vector<bf16_t> zeros(head_dim, 0), keys = random.bf16s(size_t(n) * head_dim);
        std::vector<Bounded> attended(head_dim);
        attend(zeros.data(), keys.data(), values.data(), n, head_dim, attended.data());
        for (size_t d = 0; d < head_dim; d++)
            CHECK(attended[d].value == doctest::Approx(whole[d].value).epsilon(1e-9));
    }
}
