#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/hashed_checkpoint.h"

/// Quantised linear layers as the published tools pack them: written from the formats'
/// descriptions, and nowhere from what reads them. What is packed is kept, as the slow twin.

namespace qwend {

/// Tensors of a safetensors file to be.
class TensorFile {
  public:
    void add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
             const std::string& bytes) {
        std::string dims;
        for (int64_t dim : shape) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
        header_ += (header_.empty() ? "{\"" : ",\"") + name + R"(":{"dtype":")" + dtype +
                   R"(","shape":[)" + dims + R"(],"data_offsets":[)" +
                   std::to_string(data_.size()) + "," +
                   std::to_string(data_.size() + bytes.size()) + "]}";
        data_ += bytes;
    }
    template <typename T>
    void add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
             const std::vector<T>& values) {
        add(name, dtype, shape,
            std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
    }
    std::string content() const {
        const std::string header = header_.empty() ? "{}" : header_ + "}";
        std::string file(8, '\0');
        for (int i = 0; i < 8; i++) file[size_t(i)] = char(header.size() >> (8 * i));
        return file + header + data_;
    }

  private:
    std::string header_, data_;
};

/// A linear layer whose weights are (code - zero) * scale; floats' are codes' values * scale.
struct QuantizedLinear {
    int n, k, group, rows;       // inputs and outputs that share a scale
    std::vector<uint8_t> codes;  // (n, k); integers from 0 on
    std::vector<float> scales;   // (n / rows, k / group), rounded up, as is `zeros`
    std::vector<int> zeros;
    std::vector<float> weights;  // (n, k)

    int n_groups() const { return (k + group - 1) / group; }
    int n_row_groups() const { return (n + rows - 1) / rows; }
    uint8_t code(int row, int input) const {
        return codes[size_t(row) * size_t(k) + size_t(input)];
    }
    size_t place(int row_group, int group_index) const {
        return size_t(row_group) * size_t(n_groups()) + size_t(group_index);
    }
};

/// The value of an e4m3 byte, from its definition: bias 7, no infinity.
inline double e4m3_value(uint8_t byte) {
    const int exponent = byte >> 3 & 15, mantissa = byte & 7;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa / 8.0, -6)
                                           : std::ldexp(1 + mantissa / 8.0, exponent - 7);
    return byte & 0x80 ? -magnitude : magnitude;
}

/// How a tool quantises and packs.
struct QuantizedFormat {
    std::string name;
    std::string config;  // the value of quantization_config
    int bits = 4;
    bool is_float = false, has_zeros = false;
    int group = 0, rows = 1;  // 0: all
    DType scale_type = DType::f16;
    std::function<void(TensorFile&, const std::string& module, const QuantizedLinear&,
                       const QuantizedFormat&)>
        write;
};

/// A layer of random codes whose outputs are about as large as its inputs.
inline QuantizedLinear random_linear(int n, int k, const QuantizedFormat& format,
                                     std::mt19937& random) {
    QuantizedLinear made{
        n,  k, format.group > 0 ? format.group : k, format.rows > 0 ? format.rows : n, {}, {},
        {}, {}};
    const int n_codes = 1 << format.bits;
    std::uniform_real_distribution<double> uniform(0.5, 1.5);
    std::normal_distribution<double> normal;
    const double spread = format.is_float ? 64 : n_codes / 5.0;
    for (int i = 0; i < made.n_row_groups() * made.n_groups(); i++) {
        const double scale = uniform(random) / (spread * std::sqrt(double(k)));
        made.scales.push_back(
            format.scale_type == DType::f16    ? half_to_float(float_to_half(float(scale)))
            : format.scale_type == DType::bf16 ? bf16_to_float(float_to_bf16(float(scale)))
                                               : float(scale));
        const int middle = n_codes / 2, shift = int(random() % uint32_t(n_codes / 4));
        made.zeros.push_back(format.is_float    ? 0
                             : format.has_zeros ? middle - n_codes / 8 + shift
                                                : middle);
    }
    for (int row = 0; row < n; row++)
        for (int input = 0; input < k; input++) {
            const size_t at = made.place(row / made.rows, input / made.group);
            const int zero = made.zeros[at];
            uint8_t code;
            if (format.is_float) do
                    code = uint8_t(random()), code &= random() % 2 ? 0xFF : 0xEF;
                while ((code & 0x7F) > 0x7A);
            else
                code = uint8_t(
                    std::clamp(int(std::lround(zero + normal(random) * spread)), 0, n_codes - 1));
            made.codes.push_back(code);
            const double value = format.is_float ? e4m3_value(code) : double(code) - zero;
            made.weights.push_back(float(value * double(made.scales[at])));
        }
    return made;
}

inline std::string float_bytes(const std::vector<float>& values, DType type) {
    std::string bytes;
    for (float value : values) {
        char each[4];
        const uint16_t bits = type == DType::f16 ? float_to_half(value) : float_to_bf16(value);
        std::memcpy(each, &bits, 2);
        if (type == DType::f32) std::memcpy(each, &value, 4);
        bytes.append(each, type == DType::f32 ? 4 : 2);
    }
    return bytes;
}

/// Scales as (groups, n), as AutoAWQ and AutoGPTQ have them.
inline void add_columns_of_scales(TensorFile& file, const std::string& module,
                                  const QuantizedLinear& w, const QuantizedFormat& format) {
    std::vector<float> turned;
    for (int g = 0; g < w.n_groups(); g++)
        for (int row = 0; row < w.n; row++) turned.push_back(w.scales[w.place(row, g)]);
    file.add(module + ".scales", std::string(dtype_name(format.scale_type)), {w.n_groups(), w.n},
             float_bytes(turned, format.scale_type));
}

/// AutoAWQ's gemm: words along n, in its order of columns.
inline void write_awq(TensorFile& file, const std::string& module, const QuantizedLinear& w,
                      const QuantizedFormat& format) {
    constexpr int kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};  // of a word's columns, low nibble first
    std::vector<uint32_t> codes, zeros;
    for (int input = 0; input < w.k; input++)
        for (int column = 0; column < w.n; column += 8) {
            uint32_t word = 0;
            for (int i = 0; i < 8; i++)
                word |= uint32_t(w.code(column + kOrder[i], input)) << (4 * i);
            codes.push_back(word);
        }
    for (int g = 0; g < w.n_groups(); g++)
        for (int column = 0; column < w.n; column += 8) {
            uint32_t word = 0;
            for (int i = 0; i < 8; i++)
                word |= uint32_t(w.zeros[w.place(column + kOrder[i], g)]) << (4 * i);
            zeros.push_back(word);
        }
    file.add(module + ".qweight", "I32", {w.k, w.n / 8}, codes);
    file.add(module + ".qzeros", "I32", {w.n_groups(), w.n / 8}, zeros);
    add_columns_of_scales(file, module, w, format);
}

/// AutoGPTQ's: words along k, zeros along n; `less`: what is taken from zeros, 1 in its first
/// format.
inline void write_gptq(TensorFile& file, const std::string& module, const QuantizedLinear& w,
                       const QuantizedFormat& format, int less) {
    const int in_word = 32 / format.bits;
    std::vector<uint32_t> codes, zeros;
    for (int input = 0; input < w.k; input += in_word)
        for (int row = 0; row < w.n; row++) {
            uint32_t word = 0;
            for (int i = 0; i < in_word; i++)
                word |= uint32_t(w.code(row, input + i)) << (i * format.bits);
            codes.push_back(word);
        }
    for (int g = 0; g < w.n_groups(); g++)
        for (int row = 0; row < w.n; row += in_word) {
            uint32_t word = 0;
            for (int i = 0; i < in_word; i++)
                word |= uint32_t(w.zeros[w.place(row + i, g)] - less) << (i * format.bits);
            zeros.push_back(word);
        }
    std::vector<int32_t> order;
    for (int input = 0; input < w.k; input++) order.push_back(input / w.group);
    file.add(module + ".qweight", "I32", {w.k / in_word, w.n}, codes);
    file.add(module + ".qzeros", "I32", {w.n_groups(), w.n / in_word}, zeros);
    file.add(module + ".g_idx", "I32", {w.k}, order);
    add_columns_of_scales(file, module, w, format);
}

/// compressed-tensors' pack-quantized: words along k in rows, zeros along n.
inline void write_packed(TensorFile& file, const std::string& module, const QuantizedLinear& w,
                         const QuantizedFormat& format) {
    const int in_word = 32 / format.bits, n_words = (w.k + in_word - 1) / in_word;
    std::vector<uint32_t> codes(size_t(w.n) * size_t(n_words));
    for (int row = 0; row < w.n; row++)
        for (int input = 0; input < w.k; input++)
            codes[size_t(row) * size_t(n_words) + size_t(input / in_word)] |=
                uint32_t(w.code(row, input)) << (input % in_word * format.bits);
    file.add(module + ".weight_packed", "I32", {w.n, n_words}, codes);
    file.add(module + ".weight_shape", "I64", {2}, std::vector<int64_t>{w.n, w.k});
    file.add(module + ".weight_scale", std::string(dtype_name(format.scale_type)),
             {w.n, w.n_groups()}, float_bytes(w.scales, format.scale_type));
    if (!format.has_zeros) return;
    const int z_words = (w.n + in_word - 1) / in_word;
    std::vector<uint32_t> zeros(size_t(z_words) * size_t(w.n_groups()));
    for (int row = 0; row < w.n; row++)
        for (int g = 0; g < w.n_groups(); g++)
            zeros[size_t(row / in_word) * size_t(w.n_groups()) + size_t(g)] |=
                uint32_t(w.zeros[w.place(row, g)]) << (row % in_word * format.bits);
    file.add(module + ".weight_zero_point", "I32", {z_words, w.n_groups()}, zeros);
}

/// A code a byte, int8 or e4m3, as compressed-tensors and the fp8 tools have it.
inline void write_bytes(TensorFile& file, const std::string& module, const QuantizedLinear& w,
                        const QuantizedFormat& format, const std::string& scale,
                        const std::vector<int64_t>& scale_shape) {
    std::vector<uint8_t> codes = w.codes;
    for (uint8_t& code : codes)
        if (!format.is_float) code = uint8_t(int8_t(int(code) - 128));
    file.add(module + ".weight", format.is_float ? "F8_E4M3" : "I8", {w.n, w.k}, codes);
    file.add(module + "." + scale, std::string(dtype_name(format.scale_type)), scale_shape,
             float_bytes(w.scales, format.scale_type));
    if (!format.has_zeros) return;
    std::vector<int8_t> zeros;
    for (int zero : w.zeros) zeros.push_back(int8_t(zero - 128));
    file.add(module + ".weight_zero_point", "I8", scale_shape, zeros);
}

}  // namespace qwend
