// quantization_config, and tensors of what it describes: any text is a scheme or a refusal, lists
// of modules cost no more than their length times a name's, and unpacking stays within what it is
// given and gives codes of their range.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "model/error.h"
#include "model/json.h"
#include "model/quantized/at_load.h"
#include "model/quantized/scheme.h"
#include "model/quantized/unpack.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

/// Bytes of a tensor for a layer of n outputs and k inputs, filled with the input's in turn.
class Tensors {
  public:
    Tensors(const uint8_t* data, size_t size) : data_(data), size_(size) {}
    TensorView make(size_t n_bytes, DType dtype) {
        // Of exactly that size, so that a sanitizer sees the first byte beyond.
        std::vector<std::byte>& bytes = all_.emplace_back(n_bytes);
        for (std::byte& byte : bytes) byte = std::byte(data_[at_++ % size_]);
        return {dtype, {}, bytes.data(), bytes.size()};
    }

  private:
    const uint8_t* data_;
    size_t size_, at_ = 0;
    std::vector<std::vector<std::byte>> all_;
};

void unpack(const QuantScheme& scheme, const uint8_t* data, size_t size) {
    if (size == 0) return;
    const int n = 8 * (1 + data[0] % 9), group = 32 * (1 + data[size / 2] % 4);
    const int k = scheme.group > 0 ? group * (1 + data[size - 1] % 3) : 32 + data[size - 1] / 4 * 4;
    StoredLinear linear{scheme.kind, n, k, {}, {}, QuantizedParts{}};
    QuantizedParts& parts = *linear.quantized;
    parts.packing = scheme.packing, parts.zero_points = scheme.zero_points;
    parts.group = scheme.group > 0 ? group : k;
    parts.rows = scheme.rows == 1 ? 1 : std::min(n, 32);
    const size_t bits = size_t(scheme.bits()), elements = size_t(n) * size_t(k);
    const size_t n_groups = size_t(parts.n_groups(k));
    const size_t n_scales = n_groups * size_t((n + parts.rows - 1) / parts.rows);
    Tensors tensors(data, size);
    QuantizedView view{&linear, {}, {}, {}};
    const size_t in_word = 32 / bits, words = (size_t(k) + in_word - 1) / in_word;
    view.codes = tensors.make(
        parts.packing == CodePacking::along_k ? size_t(n) * words * 4 : elements * bits / 8,
        DType::other);
    view.scales = tensors.make(n_scales * 2, size % 2 ? DType::bf16 : DType::f16);
    if (parts.zero_points != ZeroPoints::middle) {
        const size_t packed = (size_t(n) + in_word - 1) / in_word * n_groups * 4;
        view.zeros =
            tensors.make(parts.packing == CodePacking::bytes ? n_scales : packed, DType::other);
    }
    std::vector<uint8_t> codes(elements);
    std::vector<float> scales(size_t(n) * n_groups);
    std::vector<float> zeros(scales.size());
    const bool good = unpack_rows(view, 0, n, codes.data(), scales.data(), zeros.data());
    const int n_codes = 1 << bits;
    for (uint8_t code : codes) require(code < n_codes);
    for (float zero : zeros) require(zero >= 0 && zero <= float(n_codes));
    if (good) return;
    try {
        refuse_numbers(view);
    } catch (const LoadError&) {
    }
}

/// Numbers of any bits, quantised as they are unpacked.
void quantize(const uint8_t* data, size_t size) {
    if (size == 0) return;
    constexpr DType kTypes[] = {DType::bf16, DType::f16, DType::f32};
    const int n = 1 + data[0] % 3, k = 1 + data[size / 2];
    const DType type = kTypes[data[size - 1] % 3];
    Tensors tensors(data, size);
    for (LinearKind kind : {LinearKind::int4, LinearKind::int8, LinearKind::fp8}) {
        const StoredLinear linear =
            quantize_at_load({LinearKind::dense, n, k, {}, {}, {}}, kind, "a");
        const auto n_groups = size_t(linear.quantized->n_groups(k));
        const QuantizedView view{
            &linear, tensors.make(size_t(n) * size_t(k) * dtype_size(type), type), {}, {}};
        std::vector<uint8_t> codes(size_t(n) * size_t(k));
        std::vector<float> scales(size_t(n) * n_groups);
        std::vector<float> zeros(scales.size());
        const bool good = unpack_rows(view, 0, n, codes.data(), scales.data(), zeros.data());
        for (uint8_t code : codes) {
            require(kind != LinearKind::int4 || code < 16);
            require(kind != LinearKind::fp8 || (code & 0x7F) < 0x7F);
        }
        for (float scale : scales) require(scale >= 0 && scale < 65536);
        for (float zero : zeros) require(zero >= 0 && zero <= 128);
        if (good) continue;
        try {
            refuse_numbers(view);
        } catch (const LoadError&) {
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    within_cost("quantization", size, [&] {
        quantize(data, size);
        try {
            const JsonFile json(text, "fuzz");
            const QuantScheme scheme = parse_quant_scheme(json.root(), "fuzz", "gptq");
            require(!scheme.text().empty());
            for (auto name : {"lm_head", "model.layers.10.self_attn.q_proj"})
                (void)scheme.converts(name);
            unpack(scheme, data, size);
        } catch (const LoadError&) {
        }
    });
    return 0;
}
