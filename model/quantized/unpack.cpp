#include "model/quantized/unpack.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "model/bf16.h"
#include "model/error.h"
#include "model/gguf/blocks.h"
#include "model/quantized/quantize.h"

namespace qwend {

namespace {

constexpr int kWordBits = 32;
/// The nibble of a word in which AWQ keeps each of eight outputs.
constexpr int kAwqNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};
constexpr uint8_t kNan = 0x7F;  // of e4m3, which has no infinity; the sign aside

uint32_t word(const TensorView& tensor, size_t i) {
    uint32_t value;  // the file promises no alignment
    std::memcpy(&value, tensor.data + i * sizeof value, sizeof value);
    return value;
}

float number(const TensorView& tensor, size_t i) {
    if (tensor.dtype == DType::f32) return std::bit_cast<float>(word(tensor, i));
    uint16_t bits;
    std::memcpy(&bits, tensor.data + i * sizeof bits, sizeof bits);
    return tensor.dtype == DType::bf16 ? bf16_to_float(bits) : half_to_float(bits);
}

/// So many from `first` on.
void read_numbers(const TensorView& tensor, size_t first, std::vector<float>& out) {
    const std::byte* from = tensor.data + first * dtype_size(tensor.dtype);
    if (tensor.dtype == DType::f32) {
        std::memcpy(out.data(), from, out.size() * sizeof(float));
        return;
    }
    const bool is_bf16 = tensor.dtype == DType::bf16;
    for (size_t i = 0; i < out.size(); i++) {
        uint16_t bits;
        std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
        out[i] = is_bf16 ? bf16_to_float(bits) : half_to_float(bits);
    }
}

int bits_of(const StoredLinear& linear) {
    return linear.kind == LinearKind::int4 ? 4 : 8;
}

/// Codes of an input for consecutive outputs, in words of eight. Inputs are taken a cache line's
/// worth of the result at a time, whose rows would otherwise displace each other.
void unpack_awq(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    constexpr size_t kTile = 64;
    const size_t k = size_t(view.linear->k), n_words = size_t(view.linear->n) / 8;
    for (size_t begin = 0; begin < k; begin += kTile)
        for (int row = 0; row < n_rows;) {
            const int output = first + row, n_now = std::min(8 - output % 8, n_rows - row);
            for (size_t i = begin; i < std::min(begin + kTile, k); i++) {
                const uint32_t eight = word(view.codes, i * n_words + size_t(output / 8));
                for (int j = 0; j < n_now; j++)
                    out[size_t(row + j) * k + i] =
                        uint8_t(eight >> (4 * kAwqNibble[output % 8 + j]) & 15);
            }
            row += n_now;
        }
}

/// Words of consecutive inputs, one for each output beside the next.
void unpack_gptq(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    const int bits = bits_of(*view.linear), in_word = kWordBits / bits;
    const auto k = size_t(view.linear->k), n = size_t(view.linear->n);
    const uint32_t mask = (1u << bits) - 1;
    for (size_t i = 0; i < k / size_t(in_word); i++)
        for (int row = 0; row < n_rows; row++) {
            const uint32_t packed = word(view.codes, i * n + size_t(first + row));
            uint8_t* to = out + size_t(row) * k + i * size_t(in_word);
            for (int j = 0; j < in_word; j++) to[j] = uint8_t(packed >> (j * bits) & mask);
        }
}

void unpack_along_k(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    const int bits = bits_of(*view.linear), in_word = kWordBits / bits, k = view.linear->k;
    const size_t n_words = size_t((k + in_word - 1) / in_word);
    const uint32_t mask = (1u << bits) - 1;
    for (int row = 0; row < n_rows; row++)
        for (int i = 0; i < k; i += in_word) {
            const uint32_t packed =
                word(view.codes, size_t(first + row) * n_words + size_t(i / in_word));
            uint8_t* to = out + size_t(row) * size_t(k) + size_t(i);
            for (int j = 0; j < std::min(in_word, k - i); j++)
                to[j] = uint8_t(packed >> (j * bits) & mask);
        }
}

bool unpack_bytes(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    const auto k = size_t(view.linear->k), n_bytes = size_t(n_rows) * k;
    std::memcpy(out, view.codes.data + size_t(first) * k, n_bytes);
    if (view.linear->kind == LinearKind::fp8)
        return std::none_of(out, out + n_bytes, [](uint8_t b) { return (b & 0x7F) == kNan; });
    for (size_t i = 0; i < n_bytes; i++) out[i] ^= 0x80;  // signed, from the middle on
    return true;
}

/// The blocks of an output.
const std::byte* blocks_at(const QuantizedView& view, int output) {
    return view.codes.data +
           size_t(output) * view.linear->weight.blocks->bytes_of(size_t(view.linear->k));
}

void unpack_blocks(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    const BlockFormat& format = *view.linear->weight.blocks;
    const std::byte* block = blocks_at(view, first);
    const int n_blocks = n_rows * (view.linear->k / format.n_weights);
    for (int i = 0; i < n_blocks; i++, block += format.n_bytes, out += format.n_weights)
        format.codes(block, out);
}

/// Groups may be shorter than those of the format.
bool unpack_block_scales(const QuantizedView& view, int first, int n_rows, float* scales,
                         float* zeros) {
    constexpr int kMostGroups = 16;  // of a block
    const BlockFormat& format = *view.linear->weight.blocks;
    const std::byte* block = blocks_at(view, first);
    const int n_blocks = n_rows * (view.linear->k / format.n_weights);
    const int n_same = format.group / view.linear->quantized->group;
    float of_scales[kMostGroups], of_zeros[kMostGroups];
    bool good = true;
    for (int i = 0; i < n_blocks; i++, block += format.n_bytes) {
        format.scales(block, of_scales, of_zeros);
        for (int group = 0; group < format.n_groups(); group++) {
            good &= std::isfinite(of_scales[group]) && std::isfinite(of_zeros[group]);
            scales = std::fill_n(scales, n_same, of_scales[group]);
            zeros = std::fill_n(zeros, n_same, of_zeros[group]);
        }
    }
    return good;
}

[[noreturn]] void refuse_blocks(const QuantizedView& view) {
    const StoredLinear& linear = *view.linear;
    std::vector<float> scales(size_t(linear.quantized->n_groups(linear.k))), zeros(scales.size());
    for (int row = 0; row < linear.n; row++) {
        if (unpack_block_scales(view, row, 1, scales.data(), zeros.data())) continue;
        for (size_t i = 0; i < scales.size(); i++)
            if (!std::isfinite(scales[i]) || !std::isfinite(zeros[i]))
                throw LoadError(fmt::format(
                    "{}: expected finite scales, found {} for row {} at input {}",
                    linear.quantized->name, std::isfinite(scales[i]) ? zeros[i] : scales[i], row,
                    i * size_t(linear.quantized->group)));
    }
    throw LoadError(linear.quantized->name + ": expected finite numbers");
}

/// The zero of an output and a group.
int zero_of(const QuantizedView& view, int output, int group) {
    const QuantizedParts& parts = *view.linear->quantized;
    const int bits = bits_of(*view.linear), in_word = kWordBits / bits;
    if (!view.zeros) return 1 << (bits - 1);
    const auto n = size_t(view.linear->n), column = size_t(group);
    const auto n_groups = size_t(parts.n_groups(view.linear->k));
    const uint32_t mask = (1u << bits) - 1;
    const int row = parts.rows == 1 ? output : output / parts.rows, place = row % in_word;
    switch (parts.packing) {
        case CodePacking::awq:
            return int(word(*view.zeros, column * (n / 8) + size_t(row / 8)) >>
                           (4 * kAwqNibble[row % 8]) &
                       mask);
        case CodePacking::gptq: {
            const size_t n_words = n / size_t(in_word);
            const uint32_t packed = word(*view.zeros, column * n_words + size_t(row / in_word));
            return int(packed >> (place * bits) & mask) +
                   (parts.zero_points == ZeroPoints::stored_less ? 1 : 0);
        }
        case CodePacking::along_k:
            return int(word(*view.zeros, size_t(row / in_word) * n_groups + column) >>
                           (place * bits) &
                       mask);
        case CodePacking::bytes:
        case CodePacking::blocks:  // whose zeros are with their scales
        case CodePacking::at_load:
            break;
    }
    return int(int8_t(view.zeros->data[size_t(row) * n_groups + column])) + 128;
}

size_t scale_place(const QuantizedView& view, int output, int group) {
    const QuantizedParts& parts = *view.linear->quantized;
    const auto n_groups = size_t(parts.n_groups(view.linear->k));
    if (parts.packing == CodePacking::awq || parts.packing == CodePacking::gptq)
        return size_t(group) * size_t(view.linear->n) + size_t(output);
    return size_t(output / parts.rows) * n_groups + size_t(group);
}

/// Floats' scales may not be so large that a kernel has to fear an overflow: weights would be above
/// 100,000.
constexpr float kScaleEnd = 256;

bool is_scale(const QuantizedView& view, float value) {
    if (view.linear->kind != LinearKind::fp8) return std::isfinite(value);
    return value >= 0 && value < kScaleEnd;
}

bool unpack_codes(const QuantizedView& view, int first, int n_rows, uint8_t* out) {
    switch (view.linear->quantized->packing) {
        case CodePacking::awq:
            unpack_awq(view, first, n_rows, out);
            return true;
        case CodePacking::gptq:
            unpack_gptq(view, first, n_rows, out);
            return true;
        case CodePacking::along_k:
            unpack_along_k(view, first, n_rows, out);
            return true;
        case CodePacking::blocks:
            unpack_blocks(view, first, n_rows, out);
            return true;
        case CodePacking::bytes:
        case CodePacking::at_load:
            break;
    }
    return unpack_bytes(view, first, n_rows, out);
}

bool unpack_scales(const QuantizedView& view, int first, int n_rows, float* scales, float* zeros) {
    if (view.linear->quantized->packing == CodePacking::blocks)
        return unpack_block_scales(view, first, n_rows, scales, zeros);
    const int n_groups = view.linear->quantized->n_groups(view.linear->k);
    const bool has_zeros = view.linear->kind != LinearKind::fp8;
    bool good = true;
    for (int row = 0; row < n_rows; row++)
        for (int group = 0; group < n_groups; group++, scales++) {
            *scales = number(view.scales, scale_place(view, first + row, group));
            good &= is_scale(view, *scales);
            if (has_zeros) *zeros++ = float(zero_of(view, first + row, group));
        }
    return good;
}

bool quantize_rows(const QuantizedView& view, int first, int n_rows, uint8_t* codes, float* scales,
                   float* zeros) {
    const auto k = size_t(view.linear->k);
    const auto n_groups = size_t(view.linear->quantized->n_groups(view.linear->k));
    thread_local std::vector<float> numbers;
    numbers.resize(k);
    bool good = true;
    for (int row = 0; row < n_rows; row++) {
        read_numbers(view.codes, size_t(first + row) * k, numbers);
        good &= quantize_row(view.linear->kind, numbers.data(), view.linear->k,
                             view.linear->quantized->group, codes, scales, zeros);
        codes += k, scales += n_groups, zeros += n_groups;
    }
    return good;
}

[[noreturn]] void refuse_number(const QuantizedView& view) {
    const QuantizedParts& parts = *view.linear->quantized;
    const size_t n = view.codes.n_bytes / dtype_size(view.codes.dtype);
    for (size_t i = 0; i < n; i++)
        if (const float value = number(view.codes, i); !(std::abs(value) < kWeightEnd))
            throw LoadError(fmt::format(
                "{}.weight: expected {}, found {} at {}", parts.name,
                std::isfinite(value) ? "numbers below 65,536, to be quantised" : "finite numbers",
                value, i));
    throw LoadError(parts.name + ": expected finite numbers");
}

}  // namespace

bool unpack_rows(const QuantizedView& view, int first, int n_rows, uint8_t* codes, float* scales,
                 float* zeros) {
    if (view.linear->quantized->packing == CodePacking::at_load)
        return quantize_rows(view, first, n_rows, codes, scales, zeros);
    const bool good = unpack_codes(view, first, n_rows, codes);
    return unpack_scales(view, first, n_rows, scales, zeros) && good;
}

void refuse_numbers(const QuantizedView& view) {
    const QuantizedParts& parts = *view.linear->quantized;
    if (parts.packing == CodePacking::blocks) refuse_blocks(view);
    if (parts.packing == CodePacking::at_load) refuse_number(view);
    const size_t n_scales = view.scales.n_bytes / dtype_size(view.scales.dtype);
    for (size_t i = 0; i < n_scales; i++)
        if (const float value = number(view.scales, i); !is_scale(view, value))
            throw LoadError(fmt::format(
                "{}.{}: expected {}, found {} at {}", parts.name, parts.scale_name,
                std::isfinite(value) ? "numbers from 0 to 256" : "finite numbers", value, i));
    for (size_t i = 0; i < view.codes.n_bytes; i++)
        if ((uint8_t(view.codes.data[i]) & 0x7F) == kNan)
            throw LoadError(
                fmt::format("{}.weight: expected finite numbers, found nan at {}", parts.name, i));
    throw LoadError(parts.name + ": expected finite numbers");
}

}  // namespace qwend
