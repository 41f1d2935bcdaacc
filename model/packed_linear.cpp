#include "model/packed_linear.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "model/bf16.h"
#include "model/error.h"
#include "model/quantized/int8_groups.h"

namespace qwend {

namespace {

constexpr int kLeastGroup = 32;  // inputs that share a scale
constexpr size_t kTileBytes = 512, kRowBytes = kTileBytes / kPackedRows;
constexpr int kMultiple = 128;       // of inputs: whole chunks, whatever the kind
constexpr int kMaxInputs = 1 << 16;  // more than any model has; a row of x fits an SM
constexpr int kRowsAtOnce = 64;      // tiles of AWQ's words fill half a cache line
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

/// Of one output and a word of each of four lanes: 32 codes of int4.
void pack_word(const uint8_t* codes, std::byte* lanes, size_t word) {
    for (int t = 0; t < 4; t++, lanes += 16) {
        uint8_t bytes[4];
        for (int i = 0; i < 4; i++) {
            const uint8_t* two_steps = codes + 2 * t + i / 2;
            bytes[i] = uint8_t(two_steps[i % 2 * 16] | two_steps[i % 2 * 16 + 8] << 4);
        }
        std::memcpy(lanes + 4 * word, bytes, sizeof bytes);
    }
}

/// The same of 16 codes of a byte.
void pack_bytes(const uint8_t* codes, std::byte* lanes, size_t word) {
    for (int t = 0; t < 4; t++, lanes += 16) {
        std::memcpy(lanes + 4 * word, codes + 2 * t, 2);
        std::memcpy(lanes + 4 * word + 2, codes + 2 * t + 8, 2);
    }
}

/// Codes of an output, one a byte, to its rows of the tiles.
void pack_codes(LinearKind kind, int k, const uint8_t* row, std::byte* out) {
    const bool is_int4 = kind == LinearKind::int4;
    const int inputs = is_int4 ? 32 : 16;  // of a word of each of four lanes
    for (int at = 0; at < k; out += kTileBytes)
        for (size_t word = 0; word < 4; word++, at += inputs)
            is_int4 ? pack_word(row + at, out, word) : pack_bytes(row + at, out, word);
}

[[noreturn]] void refuse_scale(const QuantizedView& view, float value) {
    const QuantizedParts& parts = *view.linear->quantized;
    throw LoadError(fmt::format("{}.{}: expected numbers below 65,520, found {}", parts.name,
                                parts.scale_name, value));
}

/// A word of scale and zero.
uint32_t pack_scale(const QuantizedView& view, float scale, float zero) {
    if (view.linear->kind == LinearKind::fp8) return std::bit_cast<uint32_t>(scale);
    const uint16_t half = float_to_f16(scale);
    if ((half & 0x7FFF) == kHalfInfinity) refuse_scale(view, scale);
    return uint32_t(float_to_bf16(zero)) << 16 | half;
}

}  // namespace

PackedShape packed_shape(const StoredLinear& linear) {
    const QuantizedParts& parts = *linear.quantized;
    PackedShape shape{linear.kind, linear.n, linear.k, parts.group};
    if (needs_int8_groups(parts)) shape.kind = LinearKind::int8, shape.group = kLeastGroup;
    return shape;
}

std::string check_packed(std::string_view name, const PackedShape& shape) {
    if (shape.k > kMaxInputs)
        return fmt::format("{}: expected at most {} inputs, found {}", name, kMaxInputs, shape.k);
    if (shape.k % kMultiple != 0)
        return fmt::format("{}: expected inputs that are a multiple of {}, found {}", name,
                           kMultiple, shape.k);
    // Kernels find a group by a shift.
    const bool is_power = shape.group >= kLeastGroup && std::has_single_bit(unsigned(shape.group));
    if (shape.group != shape.k && (!is_power || shape.k % shape.group != 0))
        return fmt::format(
            "{}: expected groups of {}, {}, {} inputs and so on that divide {}, or one of all, "
            "found {}",
            name, kLeastGroup, 2 * kLeastGroup, 4 * kLeastGroup, shape.k, shape.group);
    if (shape.n % kPackedRows != 0)
        return fmt::format("{}: expected outputs that are a multiple of {}, found {}", name,
                           kPackedRows, shape.n);
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
    const size_t n_numbers = kRowsAtOnce * (k / size_t(view.linear->quantized->group));
    const size_t eight_bytes = packed_code_bytes({shape.kind, kPackedRows, shape.k, shape.group});
    thread_local std::vector<uint8_t> unpacked;
    thread_local std::vector<float> numbers;
    thread_local std::vector<float> zeros;
    unpacked.resize(kRowsAtOnce * k);
    numbers.resize(n_numbers), zeros.resize(n_numbers);
    for (int done = 0; done < n_rows; done += kRowsAtOnce) {
        const int some = std::min(kRowsAtOnce, n_rows - done);
        if (!unpack_rows(view, first + done, some, unpacked.data(), numbers.data(), zeros.data()))
            refuse_numbers(view);
        if (needs_int8_groups(*view.linear->quantized))
            make_int8_groups(*view.linear, some, unpacked.data(), numbers.data(), zeros.data());
        for (size_t row = 0; row < size_t(some); row++) {
            const size_t eight = row / kPackedRows, g = row % kPackedRows;
            pack_codes(shape.kind, shape.k, unpacked.data() + row * k,
                       codes + eight * eight_bytes + g * kRowBytes);
            for (size_t i = 0; i < n_groups; i++)
                scales[(eight * n_groups + i) * kPackedRows + g] =
                    pack_scale(view, numbers[row * n_groups + i], zeros[row * n_groups + i]);
        }
        codes += size_t(some) / kPackedRows * eight_bytes;
        scales += size_t(some) * n_groups;
    }
}

}  // namespace qwend
