#include "model/packed_linear.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "model/bf16.h"
#include "model/error.h"

namespace qwend {

namespace {

constexpr int kStepInputs = 32, kThreadInputs = 8, kThreadBytes = 16;
constexpr int kChunkBytes = 4 * kThreadBytes;
constexpr int kMultiple = 128;       // of inputs: whole chunks, whatever the kind
constexpr int kMaxInputs = 1 << 20;  // more than any model has; a row fits a copy
constexpr int kRowsAtOnce = 64;      // two words of consecutive columns fill half a cache line
constexpr uint16_t kHalfInfinity = 0x7C00;

int bits_of(LinearKind kind) {
    return kind == LinearKind::int4 ? 4 : 8;
}

/// Rounds to nearest, ties to even.
uint16_t float_to_f16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7FFFFFFF;
    const auto sign = uint16_t(bits >> 16 & 0x8000);
    if (magnitude >= 0x47800000) return sign | kHalfInfinity;  // 65,536
    if (magnitude >= 0x38800000)                               // 2^-14: the exponent's bias changes
        return sign | uint16_t((magnitude - 0x38000000 + 0xFFF + (magnitude >> 13 & 1)) >> 13);
    // The last place of numbers about 0.5 is that of the subnormals.
    const float moved = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | uint16_t(std::bit_cast<uint32_t>(moved) - std::bit_cast<uint32_t>(0.5f));
}

/// Every other byte's low nibble, side by side.
uint32_t gather(uint64_t bytes) {
    // The products of nibbles and powers do not overlap, so there is no carry.
    constexpr uint64_t kToTop = 1ull << 48 | 1ull << 36 | 1ull << 24 | 1ull << 12;
    return uint32_t(((bytes & 0x000F000F000F000Full) * kToTop) >> 48);
}

/// Codes of a row, one a byte, as threads read them.
void pack_codes(LinearKind kind, int k, const uint8_t* row, std::byte* out) {
    const int thread_step_bytes = kThreadInputs * bits_of(kind) / 8;
    const int chunk_steps = kThreadBytes / thread_step_bytes;
    for (int at = 0; at < k; at += chunk_steps * kStepInputs, out += kChunkBytes)
        for (int step = 0; step < chunk_steps; step++)
            for (int thread = 0; thread < 4; thread++) {
                uint64_t eight;
                std::memcpy(&eight, row + at + step * kStepInputs + thread * kThreadInputs, 8);
                std::byte* to = out + thread * kThreadBytes + step * thread_step_bytes;
                if (kind == LinearKind::int4) {
                    const uint32_t word = gather(eight) | gather(eight >> 8) << 16;
                    std::memcpy(to, &word, sizeof word);
                } else {
                    std::memcpy(to, &eight, sizeof eight);
                }
            }
}

[[noreturn]] void refuse_scale(const QuantizedView& view, float value) {
    const QuantizedParts& parts = *view.linear->quantized;
    throw LoadError(fmt::format("{}.{}: expected numbers below 65,520, found {}", parts.name,
                                parts.scale_name, value));
}

void pack_scales(const QuantizedView& view, const std::vector<float>& scales,
                 const std::vector<int16_t>& zeros, size_t n, uint32_t* out) {
    if (view.linear->kind == LinearKind::fp8) {
        std::memcpy(out, scales.data(), n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint16_t scale = float_to_f16(scales[i]);
        if ((scale & 0x7FFF) == kHalfInfinity) refuse_scale(view, scales[i]);
        out[i] = uint32_t(float_to_bf16(float(zeros[i]))) << 16 | scale;
    }
}

}  // namespace

PackedShape packed_shape(const StoredLinear& linear) {
    return {linear.kind, linear.n, linear.k, linear.quantized->group};
}

std::string check_packed(std::string_view name, const PackedShape& shape) {
    if (shape.k > kMaxInputs)
        return fmt::format("{}: expected at most {} inputs, found {}", name, kMaxInputs, shape.k);
    if (shape.k % kMultiple != 0)
        return fmt::format("{}: expected inputs that are a multiple of {}, found {}", name,
                           kMultiple, shape.k);
    if (shape.group % kStepInputs != 0 || shape.k % shape.group != 0)
        return fmt::format(
            "{}: expected groups of a multiple of {} inputs that divides {}, found "
            "{}",
            name, kStepInputs, shape.k, shape.group);
    return {};
}

size_t packed_code_bytes(const PackedShape& shape) {
    return size_t(shape.n) * size_t(shape.k) * size_t(bits_of(shape.kind)) / 8;
}

size_t packed_scale_bytes(const PackedShape& shape) {
    return size_t(shape.n) * size_t(shape.k / shape.group) * sizeof(uint32_t);
}

void pack_rows(const QuantizedView& view, int first, int n_rows, std::byte* codes,
               uint32_t* scales) {
    const PackedShape shape = packed_shape(*view.linear);
    const auto k = size_t(shape.k), n_groups = size_t(shape.k / shape.group);
    const size_t row_bytes = packed_code_bytes({shape.kind, 1, shape.k, shape.group});
    thread_local std::vector<uint8_t> unpacked;
    thread_local std::vector<float> numbers;
    thread_local std::vector<int16_t> zeros;
    unpacked.resize(kRowsAtOnce * k);
    numbers.resize(kRowsAtOnce * n_groups), zeros.resize(kRowsAtOnce * n_groups);
    for (int done = 0; done < n_rows; done += kRowsAtOnce) {
        const int some = std::min(kRowsAtOnce, n_rows - done);
        if (!unpack_codes(view, first + done, some, unpacked.data()) ||
            !unpack_scales(view, first + done, some, numbers.data(), zeros.data()))
            refuse_numbers(view);
        for (int row = 0; row < some; row++, codes += row_bytes)
            pack_codes(shape.kind, shape.k, unpacked.data() + size_t(row) * k, codes);
        pack_scales(view, numbers, zeros, size_t(some) * n_groups, scales);
        scales += size_t(some) * n_groups;
    }
}

}  // namespace qwend
