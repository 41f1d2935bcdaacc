#include "tests/gpu/twins.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "model/cpu/ops.h"
#include "tests/unit/activation_twin.h"

namespace qwend {

namespace {

constexpr double kPartialSums = 6;  // of the root of squares: once in 10^9 sums of random terms

struct Sums {
    double value, squares;
};

QWEND_MULTIARCH Sums dot_sums(const bf16_t* a, const bf16_t* b, int n) {
    double value = 0, squares = 0;
#pragma omp simd reduction(+ : value, squares)
    for (int i = 0; i < n; i++) {
        const double product = double(bf16_to_float(a[i])) * double(bf16_to_float(b[i]));
        value += product, squares += product * product;
    }
    return {value, squares};
}

/// What a weighted sum of values and its bound need, by dimension: sums of p v, p v², p² v².
struct ValueSums {
    std::vector<double> first, second, weighted;
};

QWEND_MULTIARCH void add_value(double p, const bf16_t* value, int n, double* first, double* second,
                               double* weighted) {
#pragma omp simd
    for (int d = 0; d < n; d++) {
        const double v = bf16_to_float(value[d]), pv = p * v;
        first[d] += pv, second[d] += pv * v, weighted[d] += pv * pv;
    }
}

}  // namespace

double half_ulp(double x, int bits) {
    return std::ldexp(1.0, std::ilogb(std::max(std::fabs(x), 0x1p-126)) - bits);
}

Bounded rounded(Bounded x, int bits) {
    return {x.value, x.bound + half_ulp(std::fabs(x.value) + x.bound, bits)};
}

Bounded dot(const bf16_t* a, const bf16_t* b, int n) {
    // Products are exact. Each of n additions loses at most 2^-23 of a partial sum: tensor cores
    // truncate.
    const Sums sums = dot_sums(a, b, n);
    return {sums.value, n * 0x1p-23 * kPartialSums * std::sqrt(sums.squares)};
}

Bounded dot(const bf16_t* a, const float* b, int n) {
    double value = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        const double product = double(bf16_to_float(a[i])) * double(b[i]);
        value += product, squares += product * product;
    }
    return {value, n * 0x1p-22 * kPartialSums * std::sqrt(squares)};
}

Bounded divide_by_rms(Bounded x, double sum, int n, double eps) {
    const double scale = 1 / std::sqrt(sum / n + eps);
    return {x.value * scale, (x.bound + 0x1p-19 * std::fabs(x.value)) * scale};
}

Bounded silu_times(Bounded gate, Bounded up) {
    const double silu = gate.value / (1 + std::exp(-gate.value)), value = silu * up.value;
    const double exp_ulps = (2 + 1.173 * std::fabs(gate.value)) / (1 + std::exp(gate.value));
    const double own = (exp_ulps + 2) * 0x1p-23 * std::fabs(value) + 1e-36;
    return {value,
            1.1 * gate.bound * (std::fabs(up.value) + up.bound) + std::fabs(silu) * up.bound + own};
}

Bounded activation_times(Activation activation, Bounded gate, Bounded up) {
    if (activation == Activation::silu) return silu_times(gate, up);
    const double x = gate.value, activated = activation_twin(activation, x);
    const double slope = activation == Activation::relu2 ? 2 * (std::fabs(x) + gate.bound) : 1.5;
    const double off = slope * gate.bound + 0x1p-17 * std::fabs(activated) + 0x1p-30;
    return {activated * up.value,
            off * (std::fabs(up.value) + up.bound) + std::fabs(activated) * up.bound};
}

BoundedPair rotate(Bounded low, Bounded high, double cos, double sin) {
    auto combine = [](Bounded a, double x, Bounded b, double y) {
        const double first = a.value * x, second = b.value * y;
        return Bounded{first + second, a.bound * std::fabs(x) + b.bound * std::fabs(y) +
                                           3 * 0x1p-24 * (std::fabs(first) + std::fabs(second))};
    };
    return {combine(low, cos, high, -sin), combine(high, cos, low, sin)};
}

void attend(const bf16_t* query, const bf16_t* keys, const bf16_t* values, int n, int head_dim,
            Bounded* out) {
    const size_t dims = size_t(head_dim);
    const double scale = 1 / std::sqrt(double(head_dim));
    std::vector<double> p(static_cast<size_t>(n));
    double max = -INFINITY, max_key = 0;
    for (size_t j = 0; j < p.size(); j++) {
        p[j] = dot_sums(query, keys + j * dims, head_dim).value * scale;
        max = std::max(max, p[j]);
        max_key = std::max(max_key, dot_sums(keys + j * dims, keys + j * dims, head_dim).value);
    }
    double total = 0;
    ValueSums sums{std::vector<double>(dims), std::vector<double>(dims), std::vector<double>(dims)};
    for (size_t j = 0; j < p.size(); j++) {
        p[j] = std::exp(p[j] - max);
        total += p[j];
        add_value(p[j], values + j * dims, head_dim, sums.first.data(), sums.second.data(),
                  sums.weighted.data());
    }
    // A score is off by head_dim truncations of 2^-23 of at most |query| |key|, and by two
    // roundings of itself; exp2f and the factors of the running maximum, which random scores raise
    // a few dozen times at most, add 2^-16. All of that changes a weight in numerator and
    // denominator alike, and so moves the result by its part of the deviation of the values.
    const double query_norm = std::sqrt(dot_sums(query, query, head_dim).value);
    const double relative =
        (head_dim + 2) * 0x1p-23 * query_norm * std::sqrt(max_key) * scale + 0x1p-16;
    for (size_t d = 0; d < dims; d++) {
        const double value = sums.first[d] / total, second = sums.second[d] / total;
        const double deviation = std::sqrt(std::max(0.0, second - value * value));
        const double root = std::sqrt(sums.weighted[d]) / total;
        // Weights are rounded to bf16 in the numerator alone, by at most 2^-8: at worst all in one
        // direction; but the signs are independent, and Hoeffding's inequality bounds their sum by
        // 8 roots but once in 10^13.
        const double weights = 0x1p-8 * std::min(std::sqrt(second), 8 * root);
        // n additions in the numerator as in dot(); a thread sums a quarter of the denominator.
        const double additions =
            n * 0x1p-23 * kPartialSums * root + n / 4.0 * 0x1p-24 * std::fabs(value);
        out[d] = rounded(
            {value, relative * deviation + weights + additions + 0x1p-21 * std::fabs(value)},
            kBf16Bits);
    }
}

void attend_evenly(const bf16_t* values, int n, int head_dim, Bounded* out) {
    const size_t dims = size_t(head_dim);
    std::vector<double> sums(dims), unused(2 * dims);
    for (size_t j = 0; j < size_t(n); j++)
        add_value(1, values + j * dims, head_dim, sums.data(), unused.data(), unused.data() + dims);
    for (size_t d = 0; d < dims; d++)  // a reciprocal and a product
        out[d] = rounded({sums[d] / n, 0x1p-22 * std::fabs(sums[d] / n)}, kBf16Bits);
}

}  // namespace qwend
