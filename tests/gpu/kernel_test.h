#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "tests/gpu/twins.h"

/// What the tests of kernels share: random inputs, arrays on the device, comparison with a twin.

namespace qwend {

/// Of a test case's inputs: fresh every time, or QWEND_SEED to see a failure again.
inline uint64_t test_seed() {
    const char* given = std::getenv("QWEND_SEED");
    return given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

/// QWEND_QUICK: fewer shapes and rows, every kernel still, for tools that make one take a thousand
/// times as long (tests/gpu/sanitize).
inline bool is_quick() {
    return std::getenv("QWEND_QUICK") != nullptr;
}

/// Random numbers that many threads can make. Source: Steele et al. 2014 (SplitMix64).
class Random {
  public:
    explicit Random(uint64_t seed) : state_(mix(seed)) {}

    uint64_t next() { return mix(state_ += kStep); }
    int below(int n) { return int(next() % uint64_t(n)); }

    /// Of mean 0 and variance 1, times scale: nearly normal, never beyond 3.5.
    std::vector<float> floats(size_t n, float scale = 1, float mean = 0) {
        return make<float>(n, [=](uint64_t bits) { return mean + scale * normal(bits); });
    }
    std::vector<bf16_t> bf16s(size_t n, float scale = 1) {
        return make<bf16_t>(n, [=](uint64_t bits) { return float_to_bf16(scale * normal(bits)); });
    }
    /// -2, -1, 1 or 2.
    std::vector<bf16_t> integers(size_t n) {
        return make<bf16_t>(n, [](uint64_t bits) {
            return float_to_bf16((bits & 1 ? -1.0f : 1.0f) * float(1 + (bits >> 1 & 1)));
        });
    }
    /// 0 … n - 1 in random order.
    std::vector<int32_t> permutation(int n) {
        std::vector<int32_t> order;
        for (int i = 0; i < n; i++) order.push_back(i);
        for (int i = n - 1; i > 0; i--) std::swap(order[size_t(i)], order[size_t(below(i + 1))]);
        return order;
    }

  private:
    static constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;
    static uint64_t mix(uint64_t z) {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    static float normal(uint64_t bits) {
        const uint64_t sum =
            (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
        return (float(sum) * 0x1p-16f - 2) * 1.7320508f;
    }
    template <class T, class F>
    std::vector<T> make(size_t n, F from_bits) {
        std::vector<T> values(n);
        const uint64_t base = next();
#pragma omp parallel for
        for (size_t i = 0; i < n; i++) values[i] = from_bits(mix(base + (i + 1) * kStep));
        return values;
    }

    uint64_t state_;
};

inline const Device& test_device() {
    static const Device device = use_device(0);
    return device;
}

/// Copies and kernels of the tests all go here, and so follow each other.
inline const Stream& test_stream() {
    static const Stream stream(test_device());
    return stream;
}

template <class T>
void upload(T* to, const void* from, size_t n) {
    CUDA_CHECK(cudaMemcpyAsync(to, from, n * sizeof(T), cudaMemcpyHostToDevice, test_stream()));
    test_stream().synchronize();
}
template <class T>
DeviceBuffer<T> to_device(const std::vector<T>& values) {
    DeviceBuffer<T> buffer(values.size());
    upload(buffer.get(), values.data(), values.size());
    return buffer;
}
inline DeviceBuffer<bf16> to_device(const std::vector<bf16_t>& values) {
    DeviceBuffer<bf16> buffer(values.size());
    upload(buffer.get(), values.data(), values.size());
    return buffer;
}

/// How a device's number is kept on the host.
template <class T>
using HostType = std::conditional_t<std::is_same_v<T, bf16>, bf16_t, T>;

inline constexpr bf16_t kUntouched = 0xFFFF;

/// An output on the device with a margin that nobody may write. All bits are set at first, which is
/// a NaN in both formats: what a kernel left out shows.
template <class T>
class Output {
  public:
    explicit Output(size_t n) : n_(n), data_(n + kMargin) { clear(); }
    T* get() const { return data_.get(); }
    void clear() { CUDA_CHECK(cudaMemsetAsync(data_.get(), 0xFF, data_.n_bytes(), test_stream())); }
    std::vector<HostType<T>> read() const {
        std::vector<HostType<T>> values(n_);
        std::vector<unsigned char> margin(kMargin * sizeof(T));
        copy(values.data(), data_.get(), n_ * sizeof(T));
        copy(margin.data(), data_.get() + n_, margin.size());
        test_stream().synchronize();
        CHECK_MESSAGE(std::all_of(margin.begin(), margin.end(), [](auto b) { return b == 0xFF; }),
                      "written beyond the end");
        return values;
    }

  private:
    static constexpr size_t kMargin = 4096;
    static void copy(void* to, const void* from, size_t n_bytes) {
        CUDA_CHECK(cudaMemcpyAsync(to, from, n_bytes, cudaMemcpyDeviceToHost, test_stream()));
    }
    size_t n_;
    DeviceBuffer<T> data_;
};

/// What one element of an output should be.
struct Expected {
    size_t at;
    Bounded value;
};

inline double to_double(float x) {
    return x;
}
inline double to_double(bf16_t x) {
    return bf16_to_float(x);
}

/// Holds outputs against what they should be; says at the end how close to the bound it was.
class Tally {
  public:
    explicit Tally(std::string name) : name_(std::move(name)) {}
    ~Tally() {
        MESSAGE(name_ << ": " << n_ << " values, the worst off by " << worst_ << " of its bound");
    }
    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;

    /// Elements that `actual` is too short for are of rows that did not take part; where the bound
    /// is infinite, anything may be.
    template <class T>
    void check(const std::vector<T>& actual, const std::vector<Expected>& expected) {
        double worst = 0;
        Expected worst_expected{};
        for (const Expected& e : expected) {
            if (e.at >= actual.size() || std::isinf(e.value.bound)) continue;
            n_++;
            const double error = std::fabs(to_double(actual[e.at]) - e.value.value);
            const double ratio = error == 0                                  ? 0
                                 : error <= e.value.bound                    ? error / e.value.bound
                                 : e.value.bound > 0 && std::isfinite(error) ? error / e.value.bound
                                                                             : INFINITY;
            if (ratio > worst) worst = ratio, worst_expected = e;
        }
        worst_ = std::max(worst_, worst);
        if (worst <= 1) return;
        FAIL_CHECK(name_ << ": element " << worst_expected.at << " is "
                         << to_double(actual[worst_expected.at]) << ", should be "
                         << worst_expected.value.value << " within " << worst_expected.value.bound);
    }

  private:
    std::string name_;
    size_t n_ = 0;
    double worst_ = 0;
};

template <class T>
bool same_bits(const T* a, const T* b, size_t n) {
    return std::memcmp(a, b, n * sizeof(T)) == 0;
}
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && same_bits(a.data(), b.data(), a.size());
}

/// Where the cache keeps a slot's key and value (KvCache of gpu/tensors.h).
inline size_t key_at(HeadShape shape, size_t slot, int kv_head, int dim) {
    const size_t block = slot / kBlockTokens * size_t(shape.n_kv_heads) + size_t(kv_head);
    return (block * kBlockTokens + slot % kBlockTokens) * size_t(shape.head_dim) + size_t(dim);
}
inline size_t value_at(HeadShape shape, size_t slot, int kv_head, int dim) {
    const size_t block = slot / kBlockTokens * size_t(shape.n_kv_heads) + size_t(kv_head);
    return (block * size_t(shape.head_dim) + size_t(dim)) * kBlockTokens + slot % kBlockTokens;
}

}  // namespace qwend
