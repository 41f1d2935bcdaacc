#include "model/cpu/ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qwend {

void tensor_row_to_float(const TensorView& tensor, int64_t row, float* out, int n) {
    const std::byte* from = tensor.data + size_t(row) * n * dtype_size(tensor.dtype);
    if (tensor.dtype == DType::f32) {
        std::memcpy(out, from, size_t(n) * sizeof(float));
        return;
    }
    for (int i = 0; i < n; i++) {  // the file promises no alignment
        uint16_t bits;
        std::memcpy(&bits, from + 2 * i, 2);
        out[i] = tensor.dtype == DType::bf16 ? bf16_to_float(bits) : half_to_float(bits);
    }
}

std::vector<float> tensor_to_float(const TensorView& tensor) {
    std::vector<float> values(tensor.n_bytes / dtype_size(tensor.dtype));
    tensor_row_to_float(tensor, 0, values.data(), int(values.size()));
    return values;
}

QWEND_MULTIARCH void rmsnorm(const float* x, const float* weight, float eps, int n, float* out) {
    constexpr int kLanes = 16;  // partial sums in a fixed order: the same bits on every machine
    float sums[kLanes] = {};
    int i = 0;
    for (; i + kLanes <= n; i += kLanes)
        for (int lane = 0; lane < kLanes; lane++) sums[lane] += x[i + lane] * x[i + lane];
    for (; i < n; i++) sums[i % kLanes] += x[i] * x[i];
    float sum = 0;
    for (float lane : sums) sum += lane;
    const float scale = 1.0f / std::sqrt(sum / float(n) + eps);
    for (i = 0; i < n; i++) out[i] = x[i] * scale * weight[i];
}

QWEND_MULTIARCH void add(float* x, const float* y, int n) {
    for (int i = 0; i < n; i++) x[i] += y[i];
}

QWEND_MULTIARCH void to_bf16(const float* x, bf16_t* out, int n) {
    for (int i = 0; i < n; i++) out[i] = float_to_bf16(x[i]);
}

void rope_angles(const RopeFrequencies& frequencies, int position, float* cos, float* sin) {
    for (size_t i = 0; i < frequencies.inv_freq.size(); i++) {
        const float angle = float(position) * frequencies.inv_freq[i];
        cos[i] = std::cos(angle) * frequencies.scale;
        sin[i] = std::sin(angle) * frequencies.scale;
    }
}

QWEND_MULTIARCH void rope(float* x, const float* cos, const float* sin, int head_dim) {
    const int half = head_dim / 2;
    float* y = x + half;
    for (int i = 0; i < half; i++) {
        const float a = x[i], b = y[i];
        x[i] = a * cos[i] - b * sin[i];
        y[i] = b * cos[i] + a * sin[i];
    }
}

}  // namespace qwend
