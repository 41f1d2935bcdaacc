// RoPE and the write to the KV cache against their twin.

#include "gpu/attention/attention.h"
#include "tests/gpu/kernel_test.h"

using namespace qwend;

namespace {

struct Filed {
    std::vector<Expected> queries, keys, values;
};

/// What becomes of all rows that have a slot; `turns` is cos and sin of each row and dimension.
Filed expected_of(HeadShape shape, const std::vector<bf16_t>& qkv, const std::vector<float>& bias,
                  const std::vector<float>& turns, const std::vector<int32_t>& slots) {
    const size_t rows = slots.size(), qkv_dim = size_t(shape.qkv_dim());
    const int half = shape.head_dim / 2;
    Filed out;
    for (size_t row = 0; row < rows; row++)
        for (int head = 0; head < shape.n_heads + 2 * shape.n_kv_heads; head++)
            for (int i = 0; i < half; i++) {
                const int slot = slots[row];
                if (slot < 0) continue;
                auto biased = [&](int dim) {
                    const size_t at = size_t(head * shape.head_dim + dim);
                    return rounded(
                        {double(bf16_to_float(qkv[row * qkv_dim + at])) + double(bias[at]), 0},
                        kFloatBits);
                };
                const float* turn = &turns[2 * (row * size_t(half) + size_t(i))];
                BoundedPair is{biased(i), biased(i + half)};
                const int kv_head = head - shape.n_heads;
                if (kv_head < shape.n_kv_heads)
                    is = rotate(is.low, is.high, double(turn[0]), double(turn[1]));
                for (auto [dim, x] : {std::pair{i, is.low}, {i + half, is.high}}) {
                    const Bounded stored = rounded(x, kBf16Bits);
                    const size_t column = size_t(head * shape.head_dim + dim);
                    if (kv_head < 0)
                        out.queries.push_back({row * size_t(shape.q_dim()) + column, stored});
                    else if (kv_head < shape.n_kv_heads)
                        out.keys.push_back({key_at(shape, size_t(slot), kv_head, dim), stored});
                    else
                        out.values.push_back(
                            {value_at(shape, size_t(slot), kv_head - shape.n_kv_heads, dim),
                             stored});
                }
            }
    return out;
}

}  // namespace

TEST_CASE("rope_kv_write: biases, turns and files queries, keys and values") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    Tally tally("rope_kv_write");
    constexpr int kBlocks = 24;
    for (HeadShape shape : {HeadShape{14, 2, 64},
                            {5, 1, 64},
                            {4, 2, 64},
                            {12, 2, 128},
                            {28, 4, 128},
                            {7, 1, 128},
                            {2, 2, 128}})
        for (int n : {1, 9, 48, 300}) {
            CAPTURE(shape.n_heads);
            CAPTURE(shape.head_dim);
            CAPTURE(n);
            const size_t rows = size_t(n), qkv_dim = size_t(shape.qkv_dim());
            const int half = shape.head_dim / 2;
            const auto qkv = random.bf16s(rows * qkv_dim);
            const auto bias = random.floats(qkv_dim);
            const auto angles = random.floats(rows * size_t(half), 2);
            std::vector<float> turns;
            for (float angle : angles)
                turns.push_back(1.1f * std::cos(angle)), turns.push_back(1.1f * std::sin(angle));
            std::vector<int32_t> slots = random.permutation(kBlocks * kBlockTokens);
            slots.resize(rows);
            for (int row = 4; row < n; row += 11) slots[size_t(row)] = -1;
            const auto device_qkv = to_device(qkv);
            const auto device_bias = to_device(bias), device_turns = to_device(turns);
            const auto device_slots = to_device(slots);
            const size_t cache_size = size_t(kBlocks) * kBlockTokens * size_t(shape.kv_dim());
            const Output<bf16> queries(rows * size_t(shape.q_dim())), keys(cache_size),
                values(cache_size);
            rope_kv_write(device_qkv.get(), device_bias.get(),
                          reinterpret_cast<const float2*>(device_turns.get()), device_slots.get(),
                          n, shape, queries.get(), {keys.get(), values.get()}, test_stream());

            const Filed is = expected_of(shape, qkv, bias, turns, slots);
            tally.check(queries.read(), is.queries);
            for (auto [cache, expected] :
                 {std::pair{keys.read(), &is.keys}, {values.read(), &is.values}}) {
                tally.check(cache, *expected);
                for (const Expected& e : *expected) cache[e.at] = kUntouched;
                CHECK(cache == std::vector<bf16_t>(cache_size, kUntouched));
            }
        }
}
