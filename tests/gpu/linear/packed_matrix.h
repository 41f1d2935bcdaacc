#pragma once

#include <bit>
#include <cmath>
#include <vector>

#include "gpu/linear/linear.h"
#include "tests/gpu/kernel_test.h"
#include "tests/unit/hashed_checkpoint.h"

namespace qwend {

/// A random quantised matrix, as numbers and as kernels read it. Where a code lies is written here
/// a second time, from the description of the layout alone.
class PackedMatrix {
  public:
    /// Elements of about 1 / sqrt(k).
    PackedMatrix(Random& random, LinearKind kind, int n, int k, int group)
        : kind_(kind),
          n_(n),
          k_(k),
          group_(group),
          values_(size_t(n) * size_t(k)),
          scales_(size_t(n) * size_t(k / group)),
          codes_(size_t(n) * size_t(k) / (kind == LinearKind::int4 ? 2 : 1)) {
        const auto noise = random.floats(scales_.size());
        const uint64_t seed = random.next();
#pragma omp parallel for
        for (int row = 0; row < n; row++) fill(row, noise, seed + uint64_t(row));
        device_codes_ = to_device(codes_), device_scales_ = to_device(scales_);
    }

    LinearWeights weights() const {
        return {kind_, device_codes_.get(), n_, k_, device_scales_.get(), group_};
    }
    const float* row(int i) const {
        return values_.data() + size_t(i) * size_t(k_);
    }
    const std::vector<float>& values() const {
        return values_;
    }

  private:
    void fill(int row, const std::vector<float>& noise, uint64_t seed) {
        Random random(seed);
        for (int i = 0; i < k_; i++) {
            const size_t at = size_t(row) * size_t(k_ / group_) + size_t(i / group_);
            const float factor = (1 + 0.2f * noise[at]) / std::sqrt(float(k_));
            uint32_t& scale = scales_[place_of_scale(row, i / group_)];
            if (i % group_ == 0) scale = make_scale(factor, random);
            const auto code = make_code(random);
            values_[size_t(row) * size_t(k_) + size_t(i)] = value(code, scale);
            put(row, i, code);
        }
    }
    uint32_t make_scale(float factor, Random& random) const {
        if (kind_ == LinearKind::fp8) return std::bit_cast<uint32_t>(factor);
        const bool is_int4 = kind_ == LinearKind::int4;
        const int zero = is_int4 ? random.below(17) : 100 + random.below(157);
        const uint32_t scale = float_to_half(factor / (is_int4 ? 5.0f : 80.0f));
        return std::bit_cast<uint32_t>(float(zero)) | scale;  // f32's upper half is bf16
    }
    uint32_t make_code(Random& random) const {
        if (kind_ == LinearKind::int4) return uint32_t(random.below(16));
        if (kind_ == LinearKind::int8) return uint32_t(random.below(256));
        // Subnormals and zeros too; seldom more than 4.
        const int exponent = random.below(40) == 0 ? 0 : 5 + random.below(4);
        return uint32_t(random.below(2) << 7 | exponent << 3 | random.below(8));
    }
    float value(uint32_t code, uint32_t scale) const {
        if (kind_ == LinearKind::fp8) {
            const int exponent = int(code >> 3 & 15), mantissa = int(code & 7);
            const float size = exponent ? std::ldexp(8.0f + float(mantissa), exponent - 10)
                                        : std::ldexp(float(mantissa), -9);
            return (code & 0x80 ? -size : size) * std::bit_cast<float>(scale);
        }
        const float zero = std::bit_cast<float>(scale & 0xFFFF0000u);
        return (float(code) - zero) * half_to_float(uint16_t(scale));
    }
    size_t place_of_scale(int row, int group) const {
        return size_t(row / 8 * (k_ / group_) + group) * 8 + size_t(row % 8);
    }
    void put(int row, int input, uint32_t code) {
        const bool is_int4 = kind_ == LinearKind::int4;
        const int inputs = is_int4 ? 128 : 64;  // of a tile
        const int step = input % inputs / 16, in_step = input % 16;
        const int t = in_step % 8 / 2, second = in_step % 2, upper = in_step / 8;
        const size_t tile = size_t(row / 8) * size_t(k_ / inputs) + size_t(input / inputs);
        const size_t begin = tile * 512 + size_t(row % 8 * 4 + t) * 16;
        if (!is_int4) {
            codes_[begin + size_t(step * 4 + upper * 2 + second)] = std::byte(code);
            return;
        }
        const int nibble = second * 4 + step % 2 * 2 + upper;
        codes_[begin + size_t(step / 2 * 4 + nibble / 2)] |= std::byte(code << (nibble % 2 * 4));
    }

    LinearKind kind_;
    int n_, k_, group_;
    std::vector<float> values_;
    std::vector<uint32_t> scales_;
    std::vector<std::byte> codes_;
    DeviceBuffer<std::byte> device_codes_;
    DeviceBuffer<uint32_t> device_scales_;
};

}  // namespace qwend
