#include "model/quantized/find.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "model/error.h"

namespace qwend {

namespace {

constexpr int kWordBits = 32;

/// What codes are stored as, in safetensors' words.
std::string_view codes_dtype(const QuantScheme& scheme) {
    if (scheme.packing != CodePacking::bytes) return "I32";
    return scheme.kind == LinearKind::fp8 ? "F8_E4M3" : "I8";
}

int64_t over(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

}  // namespace

void QuantizedFinder::fail(const std::string& name, std::string_view what) const {
    throw LoadError(fmt::format("{}: tensor {}: {} ({}, says {})", dir_.string(), name, what,
                                scheme_.text(), scheme_.source));
}

template <typename T>
std::vector<T> QuantizedFinder::read(const StoredTensor& tensor) const {
    std::vector<T> values(tensor.n_bytes / sizeof(T));
    files_.read(tensor, 0, values.size() * sizeof(T), values.data());
    return values;
}

StoredTensor QuantizedFinder::get(const std::string& name, const std::vector<int64_t>& shape,
                                  std::string_view dtype) const {
    const StoredTensor* tensor = files_.find(name);
    const std::string expected =
        fmt::format("expected {} of shape [{}]", dtype, fmt::join(shape, ", "));
    if (!tensor) fail(name, expected + ", found no such tensor");
    const bool is_float = dtype == "BF16, F16 or F32" && tensor->dtype != DType::other;
    if (tensor->shape != shape || (tensor->dtype_name != dtype && !is_float))
        fail(name, fmt::format("{}, found {} of shape [{}]", expected, tensor->dtype_name,
                               fmt::join(tensor->shape, ", ")));
    return *tensor;
}

std::string QuantizedFinder::codes_name(const std::string& module) const {
    if (scheme_.packing == CodePacking::bytes) return module + ".weight";
    return module + (scheme_.packing == CodePacking::along_k ? ".weight_packed" : ".qweight");
}

std::vector<int64_t> QuantizedFinder::codes_shape(int n, int k) const {
    const int64_t bits = scheme_.bits();
    switch (scheme_.packing) {
        case CodePacking::awq:
            return {k, n * bits / kWordBits};
        case CodePacking::gptq:
            return {k * bits / kWordBits, n};
        case CodePacking::along_k:
            return {n, over(k * bits, kWordBits)};
        case CodePacking::bytes:
        case CodePacking::blocks:
        case CodePacking::at_load:
            break;
    }
    return {n, k};
}

void QuantizedFinder::check_sizes(const std::string& module, int n, int k) const {
    const int in_word = kWordBits / scheme_.bits();
    const bool packs_n =
        scheme_.packing == CodePacking::awq || scheme_.packing == CodePacking::gptq;
    if (packs_n && n % in_word != 0)
        fail(codes_name(module),
             fmt::format("expected outputs that are a multiple of {}, found {}", in_word, n));
    if (scheme_.packing == CodePacking::gptq && k % in_word != 0)
        fail(codes_name(module),
             fmt::format("expected inputs that are a multiple of {}, found {}", in_word, k));
    if (scheme_.rows == 1 && scheme_.group > 0 && k % scheme_.group != 0)
        fail(codes_name(module),
             fmt::format("expected inputs that are a multiple of the group size, {}, found {}",
                         scheme_.group, k));
}

/// The tools that write fp8 name their scales differently.
std::string QuantizedFinder::find_scale_name(const std::string& module) const {
    if (scheme_.method == "fp8" && !files_.find(module + "." + scheme_.scale_name))
        for (const char* other : {"weight_scale", "weight_scale_inv"})
            if (files_.find(module + "." + other)) return other;
    return scheme_.scale_name;
}

StoredTensor QuantizedFinder::get_scales(const std::string& module,
                                         const StoredLinear& linear) const {
    const QuantizedParts& parts = *linear.quantized;
    const int64_t n_groups = parts.n_groups(linear.k);
    const std::string_view floats = "BF16, F16 or F32";
    const std::string name = module + "." + parts.scale_name;
    if (scheme_.packing == CodePacking::awq || scheme_.packing == CodePacking::gptq)
        return get(name, {n_groups, linear.n}, floats);
    const StoredTensor* found = files_.find(name);
    const std::vector<int64_t> shape = {over(linear.n, parts.rows), n_groups};
    // One number may have any number of dimensions of 1, and one for each output none for inputs.
    const bool is_one = shape[0] * shape[1] == 1;
    const auto is_1 = [](int64_t dim) { return dim == 1; };
    if (found && is_one && std::all_of(found->shape.begin(), found->shape.end(), is_1))
        return get(name, found->shape, floats);
    if (found && n_groups == 1 && found->shape == std::vector<int64_t>{shape[0]})
        return get(name, found->shape, floats);
    return get(name, shape, floats);
}

std::optional<StoredTensor> QuantizedFinder::get_zeros(const std::string& module,
                                                       const StoredLinear& linear) const {
    const QuantizedParts& parts = *linear.quantized;
    const int64_t n_groups = parts.n_groups(linear.k), n = linear.n, bits = scheme_.bits();
    if (scheme_.packing == CodePacking::awq || scheme_.packing == CodePacking::gptq)
        return get(module + ".qzeros", {n_groups, n * bits / kWordBits}, "I32");
    if (scheme_.zero_points == ZeroPoints::middle) return std::nullopt;
    const std::string name = module + ".weight_zero_point";
    if (scheme_.packing == CodePacking::along_k)
        return get(name, {over(over(n, parts.rows) * bits, kWordBits), n_groups}, "I32");
    return get(name, parts.scales.shape, "I8");
}

/// Inputs in the order of their groups; another order is what act-order makes.
void QuantizedFinder::check_order(const std::string& name, int k, int group) const {
    if (!files_.find(name)) return;
    const auto order = read<int32_t>(get(name, {k}, "I32"));
    for (int i = 0; i < k; i++)
        if (order[size_t(i)] != i / group)
            fail(name, fmt::format("expected inputs in the order of their groups, found input {} "
                                   "in group {}: act-order is not served",
                                   i, order[size_t(i)]));
}

void QuantizedFinder::check_shape_tensor(const std::string& name, int n, int k) const {
    if (!files_.find(name)) return;
    const auto shape = read<int64_t>(get(name, {2}, "I64"));
    if (shape != std::vector<int64_t>{n, k})
        fail(name, fmt::format("expected {} and {}, found {} and {}", n, k, shape[0], shape[1]));
}

std::optional<StoredTensor> QuantizedFinder::find_bias(const std::string& name, int n,
                                                       bool must) const {
    if (!must && !files_.find(name)) return std::nullopt;
    const StoredTensor bias = get(name, {n}, "BF16, F16 or F32");
    if (must) return bias;
    const auto bytes = read<char>(bias);
    const bool is_zero = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
    return is_zero ? std::nullopt : std::optional(bias);
}

bool QuantizedFinder::is_quantized(const std::string& module) const {
    const StoredTensor* codes = files_.find(codes_name(module));
    return codes && codes->dtype == DType::other;
}

std::optional<StoredLinear> QuantizedFinder::find(const std::string& module, int n, int k,
                                                  bool must) const {
    const Named said = scheme_.converts(module);
    if (said == Named::no && is_quantized(module))
        fail(codes_name(module),
             fmt::format("expected BF16, F16 or F32, as this module is not to be converted, found "
                         "{}",
                         files_.find(codes_name(module))->dtype_name));
    if (said == Named::no || (said == Named::maybe && !is_quantized(module))) return std::nullopt;
    if (const StoredTensor* dense = files_.find(module + ".weight");
        dense && dense->dtype != DType::other && !is_quantized(module))
        fail(codes_name(module),
             fmt::format("expected {}, found {} as if it were not quantised; if none is, remove "
                         "what says so",
                         codes_dtype(scheme_), dense->dtype_name));
    check_sizes(module, n, k);
    StoredLinear linear{scheme_.kind, n, k, {}, {}, QuantizedParts{}};
    linear.weight = get(codes_name(module), codes_shape(n, k), codes_dtype(scheme_));
    QuantizedParts& parts = *linear.quantized;
    parts.name = fmt::format("{}: tensor {}", dir_.string(), module);
    parts.scale_name = find_scale_name(module);
    parts.packing = scheme_.packing, parts.zero_points = scheme_.zero_points;
    parts.group = scheme_.group > 0 ? std::min(scheme_.group, k) : k;
    parts.rows = scheme_.rows > 0 ? std::min(scheme_.rows, n) : n;
    parts.scales = get_scales(module, linear);
    parts.zeros = get_zeros(module, linear);
    const bool is_packed = scheme_.packing == CodePacking::along_k;
    check_order(module + (is_packed ? ".weight_g_idx" : ".g_idx"), k, parts.group);
    check_shape_tensor(module + ".weight_shape", n, k);
    linear.bias = find_bias(module + ".bias", n, must);
    return linear;
}

}  // namespace qwend
