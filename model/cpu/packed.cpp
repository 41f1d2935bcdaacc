#include "model/cpu/packed.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include "model/bf16.h"

namespace qwend {

namespace {

/// Of 64 outputs, as unpacked: codes (64, k); scales and zeros (64, groups).
struct Unpacked {
    std::vector<uint8_t> codes;
    std::vector<float> scales;
    std::vector<float> zeros;
};

/// Writes an output's zero behind the scales, as kernels take it: of int8 less 128, as the codes.
void write_zero(const PackedLayout& layout, float zero, int output, std::byte* record) {
    if (layout.kind == LinearKind::int8) zero -= 128;
    const auto whole = int16_t(layout.has_real_zeros ? 0 : zero);
    const int n_bytes = layout.zero_bytes();
    const void* from = layout.has_real_zeros ? static_cast<const void*>(&zero) : &whole;
    std::memcpy(record + PackedLayout::kScaleBytes + output * n_bytes, from, size_t(n_bytes));
}

/// The opposite.
float stored_zero(const PackedLayout& layout, const std::byte* record, int output) {
    const std::byte* from = record + PackedLayout::kScaleBytes + output * layout.zero_bytes();
    float zero;
    int16_t whole;
    if (layout.has_real_zeros) return std::memcpy(&zero, from, sizeof zero), zero;
    return std::memcpy(&whole, from, sizeof whole), whole;
}

/// Writes an output's codes of one group to where its lanes are.
void pack_row(const PackedLayout& layout, const uint8_t* row, int inputs, int output,
              std::byte* codes) {
    codes += layout.lane_begin(output);
    if (layout.kind == LinearKind::int4) {
        for (int i = 0; i < inputs; i += 16, codes += 16 * layout.input_bytes()) {
            uint32_t words[2] = {};  // of even inputs, and of odd ones
            for (int j = 0; j < std::min(16, inputs - i); j++)
                words[j % 2] |= uint32_t(row[i + j]) << (j / 2 * 4);
            std::memcpy(codes, words, sizeof words);
        }
        return;
    }
    const uint8_t flip = layout.kind == LinearKind::int8 ? 0x80 : 0;
    for (int i = 0; i < inputs; i++)
        codes[size_t(i / 2) * 2 * layout.input_bytes() + size_t(i % 2)] = std::byte(row[i] ^ flip);
}

/// The opposite, as numbers; `values`: of each code.
void unpack_row(const PackedLayout& layout, const std::byte* codes, int inputs, int output,
                const float* values, float* row) {
    codes += layout.lane_begin(output);
    if (layout.kind == LinearKind::int4) {
        for (int i = 0; i < inputs; i += 16, codes += 16 * layout.input_bytes()) {
            uint32_t words[2];
            std::memcpy(words, codes, sizeof words);
            for (int j = 0; j < std::min(16, inputs - i); j++)
                row[i + j] = values[words[j % 2] >> (j / 2 * 4) & 15];
        }
        return;
    }
    for (int i = 0; i < inputs; i++)
        row[i] = values[uint8_t(codes[size_t(i / 2) * 2 * layout.input_bytes() + size_t(i % 2)])];
}

}  // namespace

float e4m3_to_float(uint8_t code) {
    // In the place of a half's, exponent and mantissa are the number times 2^-8.
    return half_to_float(uint16_t((code & 0x80) << 8 | (code & 0x7F) << 7)) * 256;
}

bool CpuPackedWeights::fit(const std::vector<const StoredLinear*>& parts) {
    return std::all_of(parts.begin(), parts.end(), [&](const StoredLinear* part) {
        const StoredLinear& first = *parts[0];
        return part->kind != LinearKind::dense && part->kind == first.kind && part->k == first.k &&
               part->quantized->group == first.quantized->group;
    });
}

PackedLayout CpuPackedWeights::layout_of(const std::vector<const StoredLinear*>& parts) {
    PackedLayout layout{parts[0]->kind, 0, parts[0]->k, parts[0]->quantized->group};
    for (const StoredLinear* part : parts) {
        layout.n += part->n;
        layout.has_zeros |= part->quantized->has_zeros();
        layout.has_real_zeros |= part->quantized->zero_points == ZeroPoints::numbers;
    }
    return layout;
}

CpuPackedWeights::CpuPackedWeights(const std::vector<QuantizedView>& parts) {
    std::vector<const StoredLinear*> linears;
    for (const QuantizedView& part : parts) linears.push_back(part.linear);
    layout_ = layout_of(linears);
    storage_ = std::make_unique<HugePages>(layout_.n_bytes());
    std::atomic<bool> good = true;  // nothing may be thrown within a parallel region
#pragma omp parallel for schedule(static)
    for (int panel = 0; panel < layout_.n_panels(); panel++)
        if (!pack_panel(parts, panel)) good = false;
    if (good) return;
    for (const QuantizedView& part : parts) {
        const int n = part.linear->n, n_groups = part.linear->quantized->n_groups(layout_.k);
        std::vector<uint8_t> codes(size_t(n) * size_t(layout_.k));
        std::vector<float> scales(size_t(n) * size_t(n_groups));
        std::vector<float> zeros(scales.size());
        if (!unpack_rows(part, 0, n, codes.data(), scales.data(), zeros.data()))
            refuse_numbers(part);
    }
}

bool CpuPackedWeights::pack_panel(const std::vector<QuantizedView>& parts, int panel) {
    const auto k = size_t(layout_.k);
    const int n_groups = parts[0].linear->quantized->n_groups(layout_.k);
    thread_local Unpacked u;
    u.codes.assign(kPanelColumns * k, 0);
    u.scales.assign(size_t(kPanelColumns * n_groups), 0);
    u.zeros.assign(size_t(kPanelColumns * n_groups), 0);
    bool good = true;
    const int begin = panel * kPanelColumns, end = begin + kPanelColumns;
    int at = 0;  // output that the part begins with
    for (const QuantizedView& part : parts) {
        const int first = std::max(begin, at), last = std::min(end, at + part.linear->n);
        if (first < last) {
            const auto row = size_t(first - begin), place = row * size_t(n_groups);
            good &= unpack_rows(part, first - at, last - first, u.codes.data() + row * k,
                                u.scales.data() + place, u.zeros.data() + place);
        }
        at += part.linear->n;
    }
    auto* record =
        static_cast<std::byte*>(storage_->address) + size_t(panel) * layout_.panel_bytes();
    std::memset(record, 0, layout_.panel_bytes());
    const int depth = layout_.depth();
    for (int group = 0; group < layout_.n_groups(); group++) {
        for (int j = 0; j < kPanelColumns; j++) {
            const size_t from = size_t(j * n_groups + group);
            std::memcpy(record + j * 4, &u.scales[from], 4);
            write_zero(layout_, u.zeros[from], j, record);
        }
        std::byte* codes = record + layout_.header_bytes();
        const int inputs = std::min(depth, layout_.k - group * depth);
        for (int j = 0; j < kPanelColumns; j++)
            pack_row(layout_, u.codes.data() + size_t(j) * k + size_t(group) * size_t(depth),
                     inputs, j, codes);
        const int padded = std::min(depth, layout_.k_padded() - group * depth);
        record = codes + size_t(padded) * layout_.input_bytes();
    }
    return good;
}

void CpuPackedWeights::to_rows(int panel, float* out) const {
    const int depth = layout_.depth();
    const std::byte* begin = panels() + size_t(panel) * layout_.panel_bytes();
    std::array<float, 256> numbers, values;  // of the codes: less the middle, and as weights
    const int n_codes = layout_.kind == LinearKind::int4 ? 16 : 256;
    for (int code = 0; code < n_codes; code++)
        numbers[size_t(code)] = layout_.kind == LinearKind::fp8    ? e4m3_to_float(uint8_t(code))
                                : layout_.kind == LinearKind::int8 ? float(int8_t(code))
                                                                   : float(code);
    for (int group = 0; group < layout_.n_groups(); group++) {
        const std::byte* record = begin + layout_.record_begin(group);
        const int inputs = std::min(depth, layout_.k - group * depth);
        for (int j = 0; j < kPanelColumns; j++) {
            float scale, zero = layout_.kind == LinearKind::int4 ? 8 : 0;
            std::memcpy(&scale, record + j * 4, 4);
            if (layout_.has_zeros) zero = stored_zero(layout_, record, j);
            for (int code = 0; code < n_codes; code++)
                values[size_t(code)] = (numbers[size_t(code)] - zero) * scale;
            unpack_row(layout_, record + layout_.header_bytes(), inputs, j, values.data(),
                       out + size_t(j) * size_t(layout_.k) + size_t(group) * size_t(depth));
        }
    }
}

}  // namespace qwend
