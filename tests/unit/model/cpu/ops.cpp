// Each operation against a slow twin in double, on fresh random inputs.

#include "model/cpu/ops.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>

#include "model/cpu/attention.h"
#include "model/cpu/linear.h"

using namespace qwend;

namespace {

std::mt19937& generator() {
    static std::mt19937 random(std::random_device{}());
    return random;
}

std::vector<float> random_floats(size_t n, float scale = 1) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<float> values(n);
    for (float& v : values) v = normal(generator());
    return values;
}

double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < a.size(); i++)
        difference += (a[i] - b[i]) * (a[i] - b[i]), norm += b[i] * b[i];
    return std::sqrt(difference / norm);
}

TensorView bf16_view(const std::vector<bf16_t>& values, std::vector<int64_t> shape) {
    return {DType::bf16, std::move(shape), reinterpret_cast<const std::byte*>(values.data()),
            values.size() * 2};
}

}  // namespace

TEST_CASE("cpu_ops: conversions") {
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const float value = bf16_to_float(bf16_t(bits));
        if (!std::isnan(value)) CHECK(float_to_bf16(value) == bits);
    }
    CHECK(float_to_bf16(1.00390625f) == 0x3F80);  // halfway, to even: down
    CHECK(float_to_bf16(1.01171875f) == 0x3F82);  // halfway, to even: up
    CHECK(std::isnan(bf16_to_float(float_to_bf16(NAN))));
    CHECK(half_to_float(0x3C00) == 1.0f);
    CHECK(half_to_float(0xC000) == -2.0f);
    CHECK(half_to_float(0x0001) == 0x1p-24f);
    CHECK(half_to_float(0x7BFF) == 65504.0f);
    CHECK(std::isinf(half_to_float(0x7C00)));
}

TEST_CASE("cpu_ops: exp, rmsnorm") {
    for (float x = 0; x > -87; x -= 0.0137f)
        CHECK(exp_nonpositive(x) == doctest::Approx(std::exp(double(x))).epsilon(3e-7));
    CHECK(exp_nonpositive(-1e30f) < 1e-37f);
    CHECK(exp_nonpositive(-INFINITY) < 1e-37f);
    for (int n : {1, 7, 64, 896, 1000}) {
        auto x = random_floats(size_t(n)), weight = random_floats(size_t(n));
        std::vector<float> out(size_t(n), NAN);
        rmsnorm(x.data(), weight.data(), 1e-6f, n, out.data());
        double sum = 0;
        for (float v : x) sum += double(v) * v;
        std::vector<double> expected;
        for (size_t i = 0; i < x.size(); i++)
            expected.push_back(x[i] / std::sqrt(sum / n + 1e-6) * weight[i]);
        CHECK(relative_error(out, expected) < 1e-6);
    }
}

TEST_CASE("cpu_ops: rope turns pairs of halves and keeps their length") {
    ModelConfig config;
    config.head_dim = 64;
    config.rope_theta = 1e6f;
    const RopeFrequencies frequencies = rope_frequencies(config);
    CHECK(frequencies.inv_freq[0] == 1.0f);
    CHECK(frequencies.inv_freq[31] == doctest::Approx(std::pow(1e6, -62.0 / 64)));
    std::vector<float> cos(32), sin(32), x = random_floats(64), y = x;
    rope_angles(frequencies, 0, cos.data(), sin.data());
    rope(y.data(), cos.data(), sin.data(), 64);
    CHECK(y == x);
    rope_angles(frequencies, 1234, cos.data(), sin.data());
    rope(y.data(), cos.data(), sin.data(), 64);
    for (size_t i = 0; i < 32; i++) {
        const double angle = 1234.0 * frequencies.inv_freq[i];
        CHECK(y[i] ==
              doctest::Approx(x[i] * std::cos(angle) - x[i + 32] * std::sin(angle)).epsilon(1e-3));
    }
}

TEST_CASE("cpu_linear: equals a product in double, whatever the parts and the number of rows") {
    for (int k : {64, 96, 320}) {
        std::vector<std::vector<bf16_t>> weights;
        std::vector<TensorView> parts, biases;
        std::vector<float> bias_values;
        int n = 0;
        for (int rows : {64, 100, 7}) {  // the second and third begin within a block
            auto values = random_floats(size_t(rows) * k);
            std::vector<bf16_t> packed;
            for (float v : values) packed.push_back(float_to_bf16(v));
            weights.push_back(packed);
            n += rows;
        }
        for (auto& w : weights) parts.push_back(bf16_view(w, {int64_t(w.size()) / k, k}));
        bias_values = random_floats(size_t(n));
        biases.push_back({DType::f32,
                          {n},
                          reinterpret_cast<const std::byte*>(bias_values.data()),
                          size_t(n) * 4});
        CpuLinear linear(parts, biases);
        CHECK(linear.n() == n);
        LinearWorkspace workspace;
        std::vector<float> first_row;
        for (int rows : {1, 2, 5, 16, 17, 33, 64, 65, 200, 513}) {
            auto x = random_floats(size_t(rows) * k);
            for (float& v : x) v = bf16_to_float(float_to_bf16(v));
            if (!first_row.empty()) std::copy_n(first_row.begin(), k, x.begin());
            std::vector<float> y(size_t(rows) * n, NAN);
            linear.apply(workspace, x.data(), rows, y.data());
            std::vector<double> expected;
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < n; j++) {
                    int part = 0, row = j;
                    while (row >= int(parts[size_t(part)].shape[0]))
                        row -= int(parts[size_t(part++)].shape[0]);
                    double sum = bias_values[size_t(j)];
                    for (int i = 0; i < k; i++)
                        sum += double(x[size_t(r * k + i)]) *
                               bf16_to_float(weights[size_t(part)][size_t(row * k + i)]);
                    expected.push_back(sum);
                }
            CHECK(relative_error(y, expected) < 1e-5);
            if (first_row.empty()) {
                first_row.assign(x.begin(), x.begin() + k);
                first_row.insert(first_row.end(), y.begin(), y.begin() + n);
            } else if (CpuLinear::uses_bf16()) {
                CHECK(std::equal(y.begin(), y.begin() + n, first_row.begin() + k));
            }
        }
    }
}

TEST_CASE("cpu_attention: equals softmax in double over a scattered cache") {
    for (auto [heads, kv_heads, head_dim] : {std::tuple{7, 1, 64}, {4, 2, 128}, {5, 5, 32}}) {
        const int n_context = 1100, n_query = 37, n_blocks = 80;
        const size_t slots = size_t(n_blocks) * 16;
        std::vector<bf16_t> keys(slots * kv_heads * head_dim), values = keys;
        KvLayer kv{keys.data(), values.data(), kv_heads, head_dim};
        auto k = random_floats(size_t(n_context) * kv_heads * head_dim),
             v = random_floats(size_t(n_context) * kv_heads * head_dim),
             q = random_floats(size_t(n_query) * heads * head_dim);
        Batch batch;
        for (int b = 0; b < n_context / 16 + 1; b++)
            batch.block_tables.push_back((b * 37 + 5) % n_blocks);
        auto slot = [&](int position) {
            return size_t(batch.block_tables[size_t(position / 16)]) * 16 + size_t(position % 16);
        };
        for (int t = 0; t < n_context; t++)
            kv.write(slot(t), k.data() + size_t(t) * kv_heads * head_dim,
                     v.data() + size_t(t) * kv_heads * head_dim);
        for (int t = 0; t < n_query; t++) {
            batch.tokens.push_back(0);
            batch.positions.push_back(n_context - n_query + t);
        }
        BatchSequence row;
        row.n_query = n_query, row.n_context = n_context;
        batch.sequences = {row};
        std::vector<float> out(q.size(), NAN);
        CpuAttention({heads, kv_heads, head_dim, 16}).run(batch, kv, q.data(), out.data());
        auto round = [](float x) { return double(bf16_to_float(float_to_bf16(x))); };
        std::vector<double> expected(q.size(), 0);
        for (int t = 0; t < n_query; t++)
            for (int h = 0; h < heads; h++) {
                const int kv_head = h / (heads / kv_heads), seen = batch.positions[size_t(t)] + 1;
                std::vector<double> p;
                double sum = 0;
                for (int j = 0; j < seen; j++) {
                    double dot = 0;
                    for (int d = 0; d < head_dim; d++)
                        dot += q[size_t((t * heads + h) * head_dim + d)] *
                               round(k[size_t((j * kv_heads + kv_head) * head_dim + d)]);
                    p.push_back(std::exp(dot / std::sqrt(double(head_dim))));
                    sum += p.back();
                }
                for (int j = 0; j < seen; j++)
                    for (int d = 0; d < head_dim; d++)
                        expected[size_t((t * heads + h) * head_dim + d)] +=
                            p[size_t(j)] / sum *
                            round(v[size_t((j * kv_heads + kv_head) * head_dim + d)]);
            }
        CHECK(relative_error(out, expected) < 2e-6);
    }
}
