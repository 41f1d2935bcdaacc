#include "model/gguf/blocks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "model/bf16.h"

namespace qwend {

namespace {

constexpr int kShort = 32, kLong = 256;  // weights of a block, of the older formats and the newer
constexpr int kMostGroups = 16;

float half_at(const std::byte* at) {
    uint16_t bits;  // blocks promise no alignment
    std::memcpy(&bits, at, sizeof bits);
    return half_to_float(bits);
}

uint8_t byte_at(const std::byte* at, int i) {
    return uint8_t(at[i]);
}

/// A group whose weights are code * scale - less.
struct Affine {
    float scale, less;

    bool is_flat() const { return scale == 0 && less != 0; }  // its codes mean nothing
    void write(float& to_scale, float& zero) const {
        to_scale = is_flat() ? less : scale;
        zero = is_flat() ? 1 : scale == 0 ? 0 : less / scale;
    }
};

void write_groups(const Affine* groups, int n_groups, float* scales, float* zeros) {
    for (int i = 0; i < n_groups; i++) groups[i].write(scales[i], zeros[i]);
}

void clear_flat(const Affine* groups, int n_groups, int group, uint8_t* codes) {
    for (int i = 0; i < n_groups; i++)
        if (groups[i].is_flat()) std::fill_n(codes + i * group, group, uint8_t(0));
}

void write_middle(int n_groups, float middle, float* zeros) {
    std::fill_n(zeros, n_groups, middle);
}

/// The low nibbles of 16 bytes, then the high ones.
void read_nibbles(const std::byte* from, uint8_t* codes) {
    for (int i = 0; i < 16; i++) {
        codes[i] = byte_at(from, i) & 15;
        codes[i + 16] = uint8_t(byte_at(from, i) >> 4);
    }
}

/// The same with a fifth bit from 32 of them.
void read_fives(const std::byte* high, const std::byte* from, uint8_t* codes) {
    uint32_t bits;
    std::memcpy(&bits, high, sizeof bits);
    read_nibbles(from, codes);
    for (int i = 0; i < kShort; i++) codes[i] = uint8_t(codes[i] | (bits >> i & 1) << 4);
}

/// Q4_0: f16 scale; nibbles of 0 to 15 about 8.
struct Q4_0 {
    static void codes(const std::byte* block, uint8_t* out) { read_nibbles(block + 2, out); }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        *scales = half_at(block), *zeros = 8;
    }
};

/// Q4_1: f16 scale and minimum; nibbles.
struct Q4_1 {
    static Affine group(const std::byte* block) { return {half_at(block), -half_at(block + 2)}; }
    static void codes(const std::byte* block, uint8_t* out) {
        const Affine of = group(block);
        read_nibbles(block + 4, out), clear_flat(&of, 1, kShort, out);
    }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        group(block).write(*scales, *zeros);
    }
};

/// Q5_0: f16 scale; 32 high bits; nibbles. About 16, which becomes int8's middle.
struct Q5_0 {
    static void codes(const std::byte* block, uint8_t* out) {
        read_fives(block + 2, block + 6, out);
        for (int i = 0; i < kShort; i++) out[i] = uint8_t(out[i] + 128 - 16);
    }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        *scales = half_at(block), *zeros = 128;
    }
};

/// Q5_1: f16 scale and minimum; 32 high bits; nibbles.
struct Q5_1 {
    static void codes(const std::byte* block, uint8_t* out) {
        const Affine of = Q4_1::group(block);
        read_fives(block + 4, block + 8, out), clear_flat(&of, 1, kShort, out);
    }
    static constexpr auto scales = Q4_1::scales;
};

/// Q8_0: f16 scale; signed bytes.
struct Q8_0 {
    static void codes(const std::byte* block, uint8_t* out) {
        for (int i = 0; i < kShort; i++) out[i] = byte_at(block, 2 + i) ^ 0x80;
    }
    static constexpr auto scales = Q5_0::scales;
};

/// Codes of two bits: of each half of them 32 bytes, of which the lowest two bits of all come
/// first.
void read_pairs(const std::byte* from, uint8_t* codes) {
    for (int half = 0; half < 2; half++, from += kShort)
        for (int shift = 0; shift < 8; shift += 2, codes += kShort)
            for (int i = 0; i < kShort; i++) codes[i] = byte_at(from, i) >> shift & 3;
}

/// Q2_K: 16 bytes, each a scale in its low nibble and a minimum in its high one; codes of two
/// bits; f16 units of scales and of minima.
struct Q2_K {
    static constexpr int kGroup = 16, kGroups = kLong / kGroup;

    static void read(const std::byte* block, Affine* groups) {
        const float unit = half_at(block + 80), of_minima = half_at(block + 82);
        for (int i = 0; i < kGroups; i++)
            groups[i] = {unit * float(byte_at(block, i) & 15),
                         of_minima * float(byte_at(block, i) >> 4)};
    }
    static void codes(const std::byte* block, uint8_t* out) {
        Affine groups[kGroups];
        read(block, groups);
        read_pairs(block + 16, out);
        clear_flat(groups, kGroups, kGroup, out);
    }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        Affine groups[kGroups];
        read(block, groups), write_groups(groups, kGroups, scales, zeros);
    }
};

/// Q3_K: 32 bytes, of which bit b of byte i is the high one of code 32 b + i; low bits as Q2_K's;
/// 16 scales of six bits about 32, of which 8 bytes have the low nibbles of the first eight and of
/// the others, and 4 bytes the high bits; f16 unit. Codes of 0 to 7 about 4, which becomes int4's
/// middle.
struct Q3_K {
    static void codes(const std::byte* block, uint8_t* out) {
        read_pairs(block + 32, out);
        for (int bit = 0; bit < 8; bit++, out += kShort)
            for (int i = 0; i < kShort; i++)
                out[i] = uint8_t(out[i] + 4 * (byte_at(block, i) >> bit & 1) + 8 - 4);
    }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        const std::byte* packed = block + 96;
        const float unit = half_at(block + 108);
        for (int i = 0; i < 16; i++) {
            const int low = byte_at(packed, i % 8) >> (i / 8 * 4) & 15;
            const int high = byte_at(packed, 8 + i % 4) >> (i / 4 * 2) & 3;
            scales[i] = unit * float((low | high << 4) - 32);
        }
        write_middle(16, 8, zeros);
    }
};

/// What Q4_K and Q5_K begin with: f16 units of scales and of minima, then 12 bytes with eight of
/// each, of six bits. The first four of each are the low bits of the bytes 0 to 3 and 4 to 7; of
/// the others the bytes 8 to 11 have the low nibbles, and the high bits of the first eight the
/// rest.
void read_sixes(const std::byte* block, Affine* groups) {
    const float unit = half_at(block), of_minima = half_at(block + 2);
    const std::byte* packed = block + 4;
    for (int i = 0; i < 8; i++) {
        int scale = byte_at(packed, i % 4) & 63, minimum = byte_at(packed, 4 + i % 4) & 63;
        if (i >= 4) {
            const int low = byte_at(packed, 4 + i);
            scale = (low & 15) | byte_at(packed, i - 4) >> 6 << 4;
            minimum = low >> 4 | byte_at(packed, i) >> 6 << 4;
        }
        groups[i] = {unit * float(scale), of_minima * float(minimum)};
    }
}

void write_sixes(const std::byte* block, float* scales, float* zeros) {
    Affine groups[8];
    read_sixes(block, groups), write_groups(groups, 8, scales, zeros);
}

/// The low nibbles of 32 bytes are 32 codes, and the high ones the next 32.
void read_long_nibbles(const std::byte* from, uint8_t* codes) {
    for (int pair = 0; pair < 4; pair++, from += kShort, codes += 2 * kShort)
        for (int i = 0; i < kShort; i++) {
            codes[i] = byte_at(from, i) & 15;
            codes[kShort + i] = uint8_t(byte_at(from, i) >> 4);
        }
}

/// Q4_K: read_sixes(); nibbles.
struct Q4_K {
    static void codes(const std::byte* block, uint8_t* out) {
        Affine groups[8];
        read_sixes(block, groups);
        read_long_nibbles(block + 16, out), clear_flat(groups, 8, 32, out);
    }
    static constexpr auto scales = write_sixes;
};

/// Q5_K: read_sixes(); 32 bytes, of which bit b of byte i is the high one of code 32 b + i;
/// nibbles.
struct Q5_K {
    static void codes(const std::byte* block, uint8_t* out) {
        Affine groups[8];
        read_sixes(block, groups), read_long_nibbles(block + 48, out);
        for (int bit = 0; bit < 8; bit++)
            for (int i = 0; i < kShort; i++) {
                uint8_t& code = out[bit * kShort + i];
                code = uint8_t(code | (byte_at(block + 16, i) >> bit & 1) << 4);
            }
        clear_flat(groups, 8, 32, out);
    }
    static constexpr auto scales = write_sixes;
};

/// Q6_K: 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, f16 unit. Of each
/// half of the codes, 64 bytes have the nibbles as Q4_K's 32 have them, and 32 bytes the pairs.
/// Codes of 0 to 63 about 32. In quarters of the scale they fill int8, so that where a device wants
/// longer groups the larger of two scales is good for both: see packed_linear.h.
struct Q6_K {
    static void codes(const std::byte* block, uint8_t* out) {
        for (int quarter = 0; quarter < 8; quarter++, out += kShort) {
            const int half = quarter / 4, of_half = quarter % 4;
            const std::byte* low = block + half * 64 + of_half % 2 * kShort;
            const std::byte* high = block + 128 + half * kShort;
            for (int i = 0; i < kShort; i++) {
                const int nibble = byte_at(low, i) >> (of_half / 2 * 4) & 15;
                const int pair = byte_at(high, i) >> (of_half * 2) & 3;
                out[i] = uint8_t(4 * ((nibble | pair << 4) - 32) + 128);
            }
        }
    }
    static void scales(const std::byte* block, float* scales, float* zeros) {
        const float unit = half_at(block + 208) / 4;
        for (int i = 0; i < 16; i++) scales[i] = unit * float(int8_t(byte_at(block + 192, i)));
        write_middle(16, 128, zeros);
    }
};

constexpr auto int4 = LinearKind::int4, int8 = LinearKind::int8;
constexpr std::array kFormats = {
    BlockFormat{"Q4_0", int4, kShort, 18, 32, false, Q4_0::codes, Q4_0::scales},
    BlockFormat{"Q4_1", int4, kShort, 20, 32, true, Q4_1::codes, Q4_1::scales},
    BlockFormat{"Q5_0", int8, kShort, 22, 32, false, Q5_0::codes, Q5_0::scales},
    BlockFormat{"Q5_1", int8, kShort, 24, 32, true, Q5_1::codes, Q5_1::scales},
    BlockFormat{"Q8_0", int8, kShort, 34, 32, false, Q8_0::codes, Q8_0::scales},
    BlockFormat{"Q2_K", int4, kLong, 84, 16, true, Q2_K::codes, Q2_K::scales},
    BlockFormat{"Q3_K", int4, kLong, 110, 16, false, Q3_K::codes, Q3_K::scales},
    BlockFormat{"Q4_K", int4, kLong, 144, 32, true, Q4_K::codes, Q4_K::scales},
    BlockFormat{"Q5_K", int8, kLong, 176, 32, true, Q5_K::codes, Q5_K::scales},
    BlockFormat{"Q6_K", int8, kLong, 210, 16, false, Q6_K::codes, Q6_K::scales}};

constexpr std::pair<uint32_t, std::string_view> kTypes[] = {
    {0, "F32"},     {1, "F16"},    {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},   {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"}, {40, "NVFP4"}};

}  // namespace

const BlockFormat* find_block_format(std::string_view name) {
    const auto* const found =
        std::find_if(kFormats.begin(), kFormats.end(), [&](auto& f) { return f.name == name; });
    return found == kFormats.end() ? nullptr : &*found;
}

std::string gguf_type_name(uint32_t type) {
    for (const auto& [number, name] : kTypes)
        if (number == type) return std::string(name);
    return "type " + std::to_string(type);
}

std::string block_format_names() {
    std::string names;
    for (const BlockFormat& format : kFormats)
        names.append(names.empty() ? "" : ", ").append(format.name);
    return names;
}

void blocks_to_float(const BlockFormat& format, const std::byte* blocks, size_t n_blocks,
                     float* out) {
    uint8_t codes[kLong];
    float scales[kMostGroups], zeros[kMostGroups];
    for (size_t i = 0; i < n_blocks; i++, blocks += format.n_bytes) {
        format.codes(blocks, codes), format.scales(blocks, scales, zeros);
        for (int group = 0; group < format.n_groups(); group++, out += format.group)
            for (int j = 0; j < format.group; j++)
                out[j] = (float(codes[group * format.group + j]) - zeros[group]) * scales[group];
    }
}

}  // namespace qwend
