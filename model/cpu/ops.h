#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/bf16.h"
#include "model/rope.h"
#include "model/tensor_files.h"

namespace qwend {

/// The operations of a Qwen2 layer that are not matrix products, one thread each; the backend
/// spreads rows over threads. Rows are contiguous, row-major f32 unless said otherwise.

/// The hot loops are compiled for several instruction sets and chosen when the program starts.
/// Sanitizers start too late for that choice.
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QWEND_MULTIARCH \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define QWEND_MULTIARCH
#endif

/// One row of a (rows, n) tensor of any dtype to f32.
void tensor_row_to_float(const TensorView& tensor, int64_t row, float* out, int n);
/// A whole tensor to f32.
std::vector<float> tensor_to_float(const TensorView& tensor);

/// out = x / sqrt(mean(x²) + eps) * weight. x, weight, out: (n).
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
void rmsnorm(const float* x, const float* weight, float eps, int n, float* out);

/// x += y. (n)
void add(float* x, const float* y, int n);

/// f32 to bf16, rounded to nearest even. (n)
void to_bf16(const float* x, bf16_t* out, int n);

/// cos and sin of one position. cos, sin: (head_dim / 2).
void rope_angles(const RopeFrequencies& frequencies, int position, float* cos, float* sin);

/// Rotates one head in place: halves are paired, not neighbours. x: (head_dim).
void rope(float* x, const float* cos, const float* sin, int head_dim);

/// e^x for x <= 0 to 2 ulp; vectorises. Below -87 the result stays about 1e-38.
inline float exp_nonpositive(float x) {
    x = x < -87.0f ? -87.0f : x;
    const float n = __builtin_floorf(x * 1.44269504f + 0.5f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * std::bit_cast<float>(uint32_t(int32_t(n) + 127) << 23);
}

}  // namespace qwend
