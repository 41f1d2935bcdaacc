#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/linear/gemm.h"
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

/// Tables of `rows` sequences, their blocks scattered.
inline DeviceBuffer<int32_t> scattered_tables(int rows, int context) {
    std::vector<int32_t> blocks(size_t(rows) * size_t(context / kBlockTokens));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(1));
    return to_device(blocks);
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

/// Of reading the pool and of large products; prints them.
inline Ceilings measure_ceilings(const Pool& pool, Gemm& gemm, GpuTimer& timer) {
    Ceilings found{};
    const DeviceBuffer<uint32_t> sink(1);
    const size_t n_bytes = std::min(pool.n_bytes(), size_t(1) << 30);
    const double spent = timer.seconds(
        1, [&](int, const Stream& s) { read_all(pool.get(), n_bytes, sink.get(), s); });
    found.bytes = double(n_bytes) / spent;
    std::string best;
    for (int size : {4096, 6144, 8192}) {
        const size_t n = size_t(size) * size_t(size);
        const DeviceBuffer<bf16> y(n);
        const bf16* x = pool.get() + n;
        const double seconds = timer.seconds(1, [&](int, const Stream& s) {
            gemm.run(DenseWeights{pool.get(), size, size}, x, y.get(), GemmOutput::bf16, size, s);
        });
        const double rate = 2.0 * double(n) * size / seconds;
        if (rate > found.flops) found.flops = rate, best = fmt::format("{}^3", size);
    }
    fmt::print("ceilings reading {} MiB: {:.0f} GB/s; cuBLASLt bf16 {}: {:.0f} TFLOP/s\n",
               n_bytes >> 20, found.bytes * 1e-9, best, found.flops * 1e-12);
    return found;
}

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
