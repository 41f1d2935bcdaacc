#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "tests/bench/gpu_ceiling.h"
#include "tests/bench/gpu_timer.h"

namespace qwend {

/// What kernels are measured with: weights and caches that no cache holds, and matrices.

inline constexpr size_t kWorkingSet = size_t(256) << 20;  // bytes read before any is read again

inline DeviceBuffer<float> filled(size_t n, float value) {
    const std::vector<float> host(n, value);
    DeviceBuffer<float> buffer(n);
    CUDA_CHECK(cudaMemcpy(buffer.get(), host.data(), buffer.n_bytes(), cudaMemcpyHostToDevice));
    return buffer;
}
template <class T>
DeviceBuffer<T> to_device(const std::vector<T>& host) {
    DeviceBuffer<T> buffer(host.size());
    CUDA_CHECK(cudaMemcpy(buffer.get(), host.data(), buffer.n_bytes(), cudaMemcpyHostToDevice));
    return buffer;
}

/// Random bf16 that launches take as weights or caches, each launch other ones.
class Pool {
  public:
    /// `largest`: bytes of what is taken at a time.
    Pool(size_t largest, const Stream& stream)
        : data_(std::max(2 * largest, kWorkingSet + largest) / sizeof(bf16)) {
        fill_random(data_.get(), data_.size(), 0.05f, stream);
        CUDA_CHECK(cudaStreamSynchronize(stream));
    }
    static int copies(size_t n_elements) {
        const size_t n_bytes = n_elements * sizeof(bf16);
        return int(std::max(size_t(2), (kWorkingSet + n_bytes - 1) / n_bytes));
    }
    bf16* take(size_t n_elements, int i) const {
        return data_.get() + size_t(i % copies(n_elements)) * n_elements;
    }
    bf16* get() const { return data_.get(); }
    size_t n_bytes() const { return data_.n_bytes(); }

  private:
    DeviceBuffer<bf16> data_;
};

/// A weight matrix of the shape.
struct Matrix {
    static constexpr int kGroup = 128;
    const char* name;
    int n, k;
    std::string shape() const { return fmt::format("{}x{}", n, k); }
    size_t size() const { return size_t(n) * size_t(k); }
    Work work(int rows, size_t output_bytes, LinearKind kind = LinearKind::dense) const {
        return {double(bytes(kind)) + double(rows) * (2.0 * k + double(output_bytes)),
                2.0 * rows * double(size())};
    }
    /// Of the weights, those that are quantised in groups of kGroup.
    size_t bytes(LinearKind kind) const {
        const size_t codes = size() *
                             (kind == LinearKind::dense  ? 4
                              : kind == LinearKind::int4 ? 1
                                                         : 2) /
                             2;
        return codes + (kind == LinearKind::dense ? 0 : size() / kGroup * sizeof(uint32_t));
    }
    /// At `at`, where there are so many bytes.
    LinearWeights weights(bf16* at, LinearKind kind) const {
        if (kind == LinearKind::dense) return DenseWeights{at, n, k};
        const size_t n_codes = bytes(kind) - size() / kGroup * sizeof(uint32_t);
        return {kind, at, n, k, reinterpret_cast<uint32_t*>(at + n_codes / sizeof(bf16)), kGroup};
    }
};

}  // namespace qwend
