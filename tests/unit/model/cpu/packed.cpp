// Quantised weights as the CPU holds them, beside the dense ones that they stand for.

#include "model/cpu/packed.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "model/bf16.h"
#include "model/cpu/linear.h"
#include "model/cpu/ops.h"
#include "model/cpu/packed_rows.h"
#include "model/cpu/packed_rows_f32.h"
#include "model/gguf/blocks.h"
#include "model/quantized/find_blocks.h"
#include "tests/unit/gguf_blocks.h"
#include "tests/unit/quantized_formats.h"
#include "tests/unit/skip.h"

using namespace qwend;

namespace {

/// How far a product with weights (n, k) is from its sums in double.
double error_of(const std::vector<float>& product, const std::vector<float>& x,
                const std::vector<double>& weights, size_t n, size_t k) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < product.size(); i++) {
        double sum = 0;
        for (size_t j = 0; j < k; j++) sum += double(x[i / n * k + j]) * weights[i % n * k + j];
        error += std::pow(product[i] - sum, 2), norm += sum * sum;
    }
    return std::sqrt(error / norm);
}

/// Quantised weights in the one form that every format comes to, as a layer of a file.
struct PackedProblem {
    StoredLinear stored;
    std::vector<uint8_t> codes;
    std::vector<float> scales;
    std::vector<int8_t> zeros;
    std::vector<float> weights;  // (n, k), what they stand for

    PackedProblem(LinearKind kind, int n, int k, int group, bool has_zeros, unsigned seed) {
        std::mt19937 random(seed);
        stored = {kind, n, k, {}, {}, QuantizedParts{}};
        QuantizedParts& parts = *stored.quantized;
        parts.group = std::min(group, k);
        if (has_zeros) parts.zero_points = ZeroPoints::stored, parts.zeros = StoredTensor{};
        const int n_groups = parts.n_groups(k), n_codes = kind == LinearKind::int4 ? 16 : 256;
        // int4 lies along k, in words of eight.
        const bool is_int4 = kind == LinearKind::int4;
        parts.packing = is_int4 ? CodePacking::along_k : CodePacking::bytes;
        const int row_bytes = is_int4 ? (k + 7) / 8 * 4 : k;
        codes.resize(size_t(n) * size_t(row_bytes));
        zeros.resize(size_t(n + 8) * size_t(n_groups));
        for (int i = 0; i < n * n_groups; i++)
            scales.push_back(bf16_to_float(float_to_bf16(float(random() % 1000 + 1) * 1e-5f)));
        for (int row = 0; row < n; row++)
            for (int i = 0; i < k; i++) {
                const size_t at = size_t(row * n_groups + i / parts.group);
                int zero = n_codes / 2, code = int(random() % uint32_t(n_codes));
                if (has_zeros) zero = int(at * 7 % size_t(n_codes));
                if (kind == LinearKind::fp8 && (code & 0x7F) == 0x7F) code = 0;
                uint8_t& byte =
                    codes[size_t(row) * size_t(row_bytes) + size_t(is_int4 ? i / 2 : i)];
                byte |= uint8_t(is_int4 ? code << (i % 2 * 4) : code ^ (fp8(kind) ? 0 : 0x80));
                set_zero(at, row, i / parts.group, n_groups, zero, is_int4);
                const double value = fp8(kind) ? e4m3_value(uint8_t(code)) : code - zero;
                weights.push_back(float(value * double(scales[at])));
            }
    }
    static bool fp8(LinearKind kind) { return kind == LinearKind::fp8; }
    void set_zero(size_t at, int row, int group, int n_groups, int zero, bool is_int4) {
        if (!is_int4) {
            zeros[at] = int8_t(zero - 128);
            return;
        }
        const size_t word = size_t(row / 8 * n_groups + group) * 4;
        auto& byte = reinterpret_cast<uint8_t&>(zeros[word + size_t(row % 8 / 2)]);
        byte = uint8_t((byte & (row % 2 ? 0x0F : 0xF0)) | zero << (row % 2 * 4));
    }
    QuantizedView view() const {
        const auto bytes = [](const auto& values) {
            return reinterpret_cast<const std::byte*>(values.data());
        };
        QuantizedView made;
        made.linear = &stored;
        made.codes = {DType::other, {}, bytes(codes), codes.size()};
        made.scales = {DType::f32, {}, bytes(scales), scales.size() * 4};
        if (stored.quantized->zeros) made.zeros = {DType::other, {}, bytes(zeros), zeros.size()};
        return made;
    }
    /// The weights as a dense product has them.
    TensorView dense() const {
        return {DType::f32,
                {stored.n, stored.k},
                reinterpret_cast<const std::byte*>(weights.data()),
                weights.size() * sizeof(float)};
    }
};

struct Shape {
    int n, k, group;
};
constexpr int kWhole = 1 << 20;

struct Kind {
    LinearKind kind;
    bool has_zeros;
};
constexpr Kind kKinds[] = {{LinearKind::int4, true},
                           {LinearKind::int4, false},
                           {LinearKind::int8, true},
                           {LinearKind::int8, false},
                           {LinearKind::fp8, false}};

}  // namespace

TEST_CASE("cpu_packed: weights unpack to what they stand for, on any CPU") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (const Kind& kind : kKinds)
        for (const Shape& shape : {Shape{64, 32, 32}, {200, 1056, 128}, {104, 70, kWhole}}) {
            const int n = shape.n, k = shape.k, group = shape.group;
            const PackedProblem problem(kind.kind, n, k, group, kind.has_zeros, seed);
            const CpuPackedWeights packed({problem.view()});
            std::vector<float> rows(size_t(kPanelColumns) * size_t(k));
            for (int panel = 0; panel < packed.layout().n_panels(); panel++) {
                packed.to_rows(panel, rows.data());
                const int n_now = std::min(kPanelColumns, n - panel * kPanelColumns);
                CHECK(std::memcmp(rows.data(), problem.weights.data() + size_t(panel) * rows.size(),
                                  size_t(n_now) * size_t(k) * sizeof(float)) == 0);
            }
        }
}

TEST_CASE("cpu_packed: few rows are multiplied to the bits of many dense ones") {
    if (!CpuLinear::uses_bf16()) return skip("this CPU has no AVX-512 bf16");
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (const Kind& kind : kKinds)
        for (const Shape& shape : {Shape{64, 32, 32}, {1152, 896, 128}, {104, 70, kWhole}}) {
            const int n = shape.n, k = shape.k, group = shape.group;
            CAPTURE(int(kind.kind));
            CAPTURE(k);
            const PackedProblem problem(kind.kind, n, k, group, kind.has_zeros, seed);
            const CpuPackedWeights packed({problem.view()});
            const int k_padded = packed.layout().k_padded();
            std::mt19937 random(seed);
            std::normal_distribution<float> normal;
            std::vector<float> x(size_t(8) * size_t(k)), many(size_t(8) * size_t(n));
            for (float& value : x) value = normal(random);
            std::vector<bf16_t> halves(size_t(kFewRows) * size_t(k_padded));
            for (int row = 0; row < kFewRows; row++)
                to_bf16(x.data() + row * k, halves.data() + row * k_padded, k);
            LinearWorkspace workspace;
            CpuLinear({problem.dense()}, {}).apply(workspace, x.data(), 8, many.data());
            for (int rows = 1; rows <= kFewRows; rows++) {
                std::vector<float> few(size_t(rows) * size_t(n));
                packed_rows_product(packed.layout(), packed.panels(), halves.data(), rows, nullptr,
                                    few.data());
                CHECK(std::memcmp(few.data(), many.data(), few.size() * sizeof(float)) == 0);
            }
        }
}

TEST_CASE("cpu_packed: few rows in f32 are the sums in double") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    for (const Kind& kind : kKinds)
        for (const Shape& shape : {Shape{64, 32, 32}, {200, 896, 128}, {104, 70, kWhole}}) {
            const int n = shape.n, k = shape.k, group = shape.group;
            CAPTURE(int(kind.kind));
            CAPTURE(k);
            const PackedProblem problem(kind.kind, n, k, group, kind.has_zeros, seed);
            const CpuPackedWeights packed({problem.view()});
            const int k_padded = packed.layout().k_padded();
            std::mt19937 random(seed);
            std::normal_distribution<float> normal;
            std::vector<float> x(size_t(kFewRows) * size_t(k_padded)), bias(static_cast<size_t>(n));
            for (int i = 0; i < kFewRows * k_padded; i++)
                x[size_t(i)] = i % k_padded < k ? normal(random) : 0;
            for (float& value : bias) value = normal(random);
            for (int rows = 1; rows <= kFewRows; rows++) {
                std::vector<float> few(size_t(rows) * size_t(n));
                packed_rows_product_f32(packed.layout(), packed.panels(), x.data(), rows,
                                        bias.data(), few.data());
                double error = 0, norm = 0;
                for (int i = 0; i < rows * n; i++) {
                    double sum = bias[size_t(i % n)];
                    for (int j = 0; j < k; j++)
                        sum += double(x[size_t(i / n * k_padded + j)]) *
                               double(problem.weights[size_t(i % n * k + j)]);
                    error += std::pow(few[size_t(i)] - sum, 2), norm += sum * sum;
                }
                CHECK(std::sqrt(error / norm) < 2e-6);
            }
        }
}

TEST_CASE("cpu_packed: weights give the bits of the dense ones that they stand for") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    constexpr int kRows = 40;
    for (const Kind& kind : kKinds)
        for (const Shape& shape : {Shape{64, 32, 32},
                                   {1152, 896, 128},
                                   {104, 70, kWhole},
                                   {896, 4864, 128},
                                   {72, 2048, kWhole},
                                   {200, 1056, 128},
                                   {9000, 256, 64}}) {
            const int n = shape.n, k = shape.k, group = shape.group;
            CAPTURE(int(kind.kind));
            CAPTURE(n);
            CAPTURE(k);
            CAPTURE(group);
            const PackedProblem packed(kind.kind, n, k, group, kind.has_zeros, seed);
            std::mt19937 random(seed);
            std::normal_distribution<float> normal;
            std::vector<float> x(size_t(kRows) * size_t(k)), biases(static_cast<size_t>(n));
            for (auto* values : {&x, &biases})
                for (float& value : *values) value = normal(random);
            const TensorView bias{DType::f32,
                                  {n},
                                  reinterpret_cast<const std::byte*>(biases.data()),
                                  biases.size() * sizeof(float)};
            CpuLinear linear({packed.view()}, {bias}), dense({packed.dense()}, {bias});
            LinearWorkspace workspace;
            std::vector<float> expected(size_t(kRows) * n), found(size_t(kRows) * n);
            dense.apply(workspace, x.data(), kRows, expected.data());
            for (int rows : {1, 2, 3, 4, 5, 17, kRows}) {
                CAPTURE(rows);
                linear.apply(workspace, x.data(), rows, found.data());
                double error = 0, norm = 0;
                for (size_t i = 0; i < size_t(rows) * size_t(n); i++)
                    error += std::pow(found[i] - expected[i], 2), norm += std::pow(expected[i], 2);
                CHECK(error <= norm * 1e-10);
                if (CpuLinear::uses_bf16())
                    CHECK(std::memcmp(found.data(), expected.data(),
                                      size_t(rows) * size_t(n) * sizeof(float)) == 0);
            }
        }
}

TEST_CASE("cpu_packed: zeros that are no integers and short groups, in few rows and in many") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    constexpr int kRows = 20, kOutputs = 200, kInputs = 768;
    for (const BlockTwin& twin : block_twins()) {
        CAPTURE(twin.name);
        std::string blocks;
        for (int i = 0; i < kOutputs * kInputs / twin.n_weights; i++)
            blocks += twin.random_block(random, 0.05f);
        StoredTensor matrix;
        matrix.shape = {kOutputs, kInputs}, matrix.blocks = find_block_format(twin.name);
        const StoredLinear stored = linear_of_blocks(matrix, "a layer");
        QuantizedView view;
        view.linear = &stored;
        view.codes = {
            DType::other, {}, reinterpret_cast<const std::byte*>(blocks.data()), blocks.size()};
        const auto weights = twin.weights_of(blocks);
        std::normal_distribution<float> normal;
        std::vector<float> x(size_t(kRows) * kInputs), many(size_t(kRows) * kOutputs);
        for (float& value : x) value = bf16_to_float(float_to_bf16(normal(random)));
        const CpuLinear linear({view}, {});
        LinearWorkspace workspace;
        linear.apply(workspace, x.data(), kRows, many.data());
        CHECK(error_of(many, x, weights, kOutputs, kInputs) <
              (CpuLinear::uses_bf16() ? 3e-3 : 1e-5));
        for (int rows : {1, 3, 4, 8, 9}) {
            CAPTURE(rows);
            std::vector<float> few(size_t(rows) * kOutputs);
            linear.apply(workspace, x.data(), rows, few.data());
            if (CpuLinear::uses_bf16())
                CHECK(std::memcmp(few.data(), many.data(), few.size() * sizeof(float)) == 0);
        }
        std::vector<float> few(size_t(kFewRows) * kOutputs);
        const CpuPackedWeights packed({view});
        packed_rows_product_f32(packed.layout(), packed.panels(), x.data(), kFewRows, nullptr,
                                few.data());
        CHECK(error_of(few, x, weights, kOutputs, kInputs) < 1e-5);
    }
}
