#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/bf16.h"
#include "tests/unit/hashed_checkpoint.h"

/// What GGUF's blocks stand for, in double: the slow twin, written as the format's description goes
/// through a block, and nowhere from what reads it.

namespace qwend {

class BlockTwin {
  public:
    const char* name;
    uint32_t type;  // its number in a file
    int n_weights, n_bytes;
    std::vector<int>
        halves;  // where a block has its f16 numbers: the scale, then what is beside it
    std::vector<double> (*weights)(const uint8_t* block);

    /// A block of random codes and scales, whose weights are about `width`.
    std::string random_block(std::mt19937& random, float width) const;
    /// The weights of blocks one behind the other.
    std::vector<double> weights_of(const std::string& blocks) const {
        std::vector<double> all;
        for (size_t at = 0; at < blocks.size(); at += size_t(n_bytes)) {
            const auto some = weights(reinterpret_cast<const uint8_t*>(blocks.data()) + at);
            all.insert(all.end(), some.begin(), some.end());
        }
        return all;
    }
};

inline double half_of(const uint8_t* at) {
    return half_to_float(uint16_t(at[0] | at[1] << 8));
}

/// Blocks of 32: nibble j of the low halves is weight j, of the high ones weight 16 + j; a fifth
/// bit, where there is one, is bit `weight` of four bytes.
inline std::vector<double> short_weights(const uint8_t* nibbles, const uint8_t* fifths,
                                         double scale, double offset) {
    std::vector<double> w(32);
    for (int j = 0; j < 16; j++) {
        int low = nibbles[j] & 0xF, high = nibbles[j] >> 4;
        if (fifths) {
            if (fifths[j / 8] & 1 << j % 8) low += 16;
            if (fifths[2 + j / 8] & 1 << j % 8) high += 16;
        }
        w[size_t(j)] = low * scale + offset, w[size_t(j + 16)] = high * scale + offset;
    }
    return w;
}

inline std::vector<double> q4_0_weights(const uint8_t* b) {
    return short_weights(b + 2, nullptr, half_of(b), -8 * half_of(b));
}
inline std::vector<double> q4_1_weights(const uint8_t* b) {
    return short_weights(b + 4, nullptr, half_of(b), half_of(b + 2));
}
inline std::vector<double> q5_0_weights(const uint8_t* b) {
    return short_weights(b + 6, b + 2, half_of(b), -16 * half_of(b));
}
inline std::vector<double> q5_1_weights(const uint8_t* b) {
    return short_weights(b + 8, b + 4, half_of(b), half_of(b + 2));
}
inline std::vector<double> q8_0_weights(const uint8_t* b) {
    std::vector<double> w;
    for (int i = 0; i < 32; i++) w.push_back(half_of(b) * int8_t(b[2 + i]));
    return w;
}

/// Codes of two bits: of each half of the block 32 bytes, whose lowest bits come first.
inline std::vector<double> q2_k_weights(const uint8_t* b) {
    const uint8_t *scales = b, *q = b + 16;
    const double d = half_of(b + 80), m = half_of(b + 82);
    std::vector<double> w;
    for (int half = 0; half < 2; half++, q += 32)
        for (int shift = 0; shift < 8; shift += 2)
            for (int sixteen = 0; sixteen < 2; sixteen++, scales++)
                for (int i = 0; i < 16; i++)
                    w.push_back(d * (*scales & 0xF) * (q[16 * sixteen + i] >> shift & 3) -
                                m * (*scales >> 4));
    return w;
}

inline std::vector<double> q3_k_weights(const uint8_t* b) {
    const uint8_t *masks = b, *q = b + 32, *packed = b + 96;
    const double d = half_of(b + 108);
    int scales[16];
    for (int i = 0; i < 4; i++) {
        const int high = packed[8 + i];
        scales[i] = (packed[i] & 0xF) | (high & 3) << 4;
        scales[i + 4] = (packed[i + 4] & 0xF) | (high >> 2 & 3) << 4;
        scales[i + 8] = packed[i] >> 4 | (high >> 4 & 3) << 4;
        scales[i + 12] = packed[i + 4] >> 4 | (high >> 6 & 3) << 4;
    }
    std::vector<double> w;
    const int* scale = scales;
    int mask = 1;
    for (int half = 0; half < 2; half++, q += 32)
        for (int shift = 0; shift < 8; shift += 2, mask <<= 1)
            for (int sixteen = 0; sixteen < 2; sixteen++, scale++)
                for (int i = 16 * sixteen; i < 16 * sixteen + 16; i++)
                    w.push_back(d * (*scale - 32) *
                                ((q[i] >> shift & 3) - (masks[i] & mask ? 0 : 4)));
    return w;
}

/// Scale and minimum of one of eight groups: bits of a stream of 96, as llama.cpp packs them.
inline void six_bits(const uint8_t* packed, int j, int& scale, int& minimum) {
    if (j < 4) {
        scale = packed[j] & 63, minimum = packed[j + 4] & 63;
    } else {
        scale = (packed[j + 4] & 0xF) | (packed[j - 4] >> 6) << 4;
        minimum = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
    }
}

inline std::vector<double> q45_k_weights(const uint8_t* b, const uint8_t* q,
                                         const uint8_t* fifths) {
    const double d = half_of(b), m = half_of(b + 2);
    std::vector<double> w;
    int scale = 0, minimum = 0, group = 0;
    for (int pair = 0; pair < 4; pair++, q += 32)
        for (int high = 0; high < 2; high++, group++) {
            six_bits(b + 4, group, scale, minimum);
            for (int i = 0; i < 32; i++) {
                int code = high ? q[i] >> 4 : q[i] & 0xF;
                if (fifths && (fifths[i] & 1 << group)) code += 16;
                w.push_back(d * scale * code - m * minimum);
            }
        }
    return w;
}
inline std::vector<double> q4_k_weights(const uint8_t* b) {
    return q45_k_weights(b, b + 16, nullptr);
}
inline std::vector<double> q5_k_weights(const uint8_t* b) {
    return q45_k_weights(b, b + 48, b + 16);
}

inline std::vector<double> q6_k_weights(const uint8_t* b) {
    const uint8_t *low = b, *high = b + 128, *scales = b + 192;
    const double d = half_of(b + 208);
    std::vector<double> w(256);
    for (size_t half = 0; half < 2; half++, low += 64, high += 32, scales += 8)
        for (size_t i = 0; i < 32; i++) {
            const int q[4] = {
                (low[i] & 0xF) | (high[i] & 3) << 4, (low[i + 32] & 0xF) | (high[i] >> 2 & 3) << 4,
                low[i] >> 4 | (high[i] >> 4 & 3) << 4, low[i + 32] >> 4 | (high[i] >> 6 & 3) << 4};
            for (size_t j = 0; j < 4; j++)
                w[half * 128 + 32 * j + i] = d * int8_t(scales[2 * j + i / 16]) * (q[j] - 32);
        }
    return w;
}

inline const std::vector<BlockTwin>& block_twins() {
    static const std::vector<BlockTwin> twins = {
        {"Q4_0", 2, 32, 18, {0}, q4_0_weights},       {"Q4_1", 3, 32, 20, {0, 2}, q4_1_weights},
        {"Q5_0", 6, 32, 22, {0}, q5_0_weights},       {"Q5_1", 7, 32, 24, {0, 2}, q5_1_weights},
        {"Q8_0", 8, 32, 34, {0}, q8_0_weights},       {"Q2_K", 10, 256, 84, {80, 82}, q2_k_weights},
        {"Q3_K", 11, 256, 110, {108}, q3_k_weights},  {"Q4_K", 12, 256, 144, {0, 2}, q4_k_weights},
        {"Q5_K", 13, 256, 176, {0, 2}, q5_k_weights}, {"Q6_K", 14, 256, 210, {208}, q6_k_weights}};
    return twins;
}

inline const BlockTwin& block_twin(const std::string& name) {
    for (const BlockTwin& twin : block_twins())
        if (twin.name == name) return twin;
    throw std::logic_error("no such type: " + name);
}

inline std::string BlockTwin::random_block(std::mt19937& random, float width) const {
    std::string block;
    for (int i = 0; i < n_bytes; i++) block += char(random() & 0xFF);
    const auto put = [&](int at, float value) {
        const uint16_t bits = float_to_half(value);
        block[size_t(at)] = char(bits & 0xFF), block[size_t(at + 1)] = char(bits >> 8);
    };
    std::uniform_real_distribution<float> uniform(0.5f, 1);
    // Their unit first, and what is taken away so that they are about zero.
    for (int at : halves) put(at, at == halves[0] ? 1.0f : 0.0f);
    const auto plain = weights(reinterpret_cast<const uint8_t*>(block.data()));
    double sum = 0, squares = 0;
    for (double w : plain) sum += w, squares += w * w;
    const double mean = sum / n_weights;
    const bool has_minimum = halves.size() > 1;
    const double deviation = std::sqrt(squares / n_weights - (has_minimum ? mean * mean : 0));
    const float scale = width * uniform(random) / float(std::max(deviation, 1e-3));
    put(halves[0], scale);
    if (!has_minimum) return block;
    put(halves[1], 1);
    const auto less = weights(reinterpret_cast<const uint8_t*>(block.data()));
    double taken = 0;
    for (size_t i = 0; i < less.size(); i++)
        taken += less[i] - plain[i] * double(half_to_float(float_to_half(scale)));
    taken /= n_weights;
    put(halves[1], float(-mean * double(scale) / (std::fabs(taken) > 1e-3 ? taken : 1)));
    return block;
}

}  // namespace qwend
