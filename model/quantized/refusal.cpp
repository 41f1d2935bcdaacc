#include "model/quantized/refusal.h"

#include <fmt/core.h>

#include <functional>
#include <optional>
#include <set>
#include <utility>

namespace qwend {

namespace {

using simdjson::dom::object;

std::optional<int64_t> integer(object fields, std::initializer_list<const char*> names) {
    int64_t value = 0;
    for (const char* name : names)
        if (auto element = find_last(fields, name);
            element && element->get(value) == simdjson::SUCCESS)
            return value;
    return std::nullopt;
}

std::string text(object fields, std::string_view name) {
    std::string_view value;
    const auto element = find_last(fields, name);
    return element && element->get(value) == simdjson::SUCCESS ? std::string(value) : "";
}

bool is_set(object fields, std::string_view name) {
    bool value = false;
    const auto element = find_last(fields, name);
    return element && element->get(value) == simdjson::SUCCESS && value;
}

/// "int, 4 bits", of the first group that compressed-tensors lists.
std::string group_description(object fields) {
    object groups, group, weights;
    const auto element = find_last(fields, "config_groups");
    if (!element || element->get(groups) != simdjson::SUCCESS) return {};
    for (auto [name, value] : groups) {
        if (value.get(group) != simdjson::SUCCESS) continue;
        const auto inner = find_last(group, "weights");
        if (!inner || inner->get(weights) != simdjson::SUCCESS) continue;
        const auto bits = integer(weights, {"num_bits"});
        if (bits) return fmt::format("{}, {} bits", text(weights, "type"), *bits);
    }
    return {};
}

}  // namespace

void refuse_scheme(std::string_view where, std::string_view scheme, std::string_view why) {
    throw LoadError(fmt::format(
        "{}: the weights are quantised ({}){}{}; expected BF16, F16 or F32, AWQ (gemm, 4 bits), "
        "GPTQ (4 or 8 bits, without desc_act), compressed-tensors (pack-quantized, int-quantized "
        "or float-quantized, of 4 or 8 bits) or fp8: serve one of these, or the repository that "
        "they were made from",
        where, scheme, why.empty() ? "" : ": ", why));
}

std::string describe_scheme(object fields, std::string_view otherwise) {
    std::string method = text(fields, "quant_method");
    for (const char* other : {"quant_algo", "quant_type", "format", "mode"})
        if (method.empty()) method = text(fields, other);
    auto bits = integer(fields, {"bits", "w_bit", "num_bits", "nbits", "weight_bits"});
    for (auto [flag, n] : {std::pair{"load_in_4bit", 4}, {"load_in_8bit", 8}})
        if (is_set(fields, flag) || is_set(fields, std::string("_") + flag)) {
            bits = n;
            if (method.empty()) method = "bitsandbytes";
        }
    if (method == "fp8" || method == "fbgemm_fp8") bits = 8;
    if (method == "mxfp4") bits = 4;
    if (method.empty()) method = otherwise;
    std::string groups = group_description(fields);
    if (groups.empty() && bits) groups = fmt::format("{} bits", *bits);
    return groups.empty() ? method : method + ", " + groups;
}

void refuse_quantized_tensors(const StoredTensors& tensors, const std::filesystem::path& dir) {
    std::set<std::string, std::less<>> endings, types;
    for (auto& [name, tensor] : tensors) {
        const size_t dot = name.rfind('.');
        endings.insert(dot == name.npos ? name : name.substr(dot + 1));
        if (name.ends_with("proj.weight")) types.insert(tensor.dtype_name);
    }
    auto refuse = [&](std::string_view scheme) {
        refuse_scheme(dir.string(), scheme, "config.json has no quantization_config that says how");
    };
    auto has = [&](std::string_view ending) { return endings.find(ending) != endings.end(); };
    if (has("qweight")) refuse(has("g_idx") ? "GPTQ" : "GPTQ or AWQ");
    if (has("weight_packed")) refuse("compressed-tensors, packed");
    if (has("quant_map") || has("absmax")) refuse("bitsandbytes, 4 bits");
    if (has("SCB")) refuse("bitsandbytes, 8 bits");
    for (const std::string& type : types) {
        if (type.starts_with("F8_")) refuse(fmt::format("FP8, stored as {}", type));
        if (type == "I8") refuse("INT8, stored as I8");
        if (type == "U8" || type == "F4" || type == "U32" || type == "I32")
            refuse(fmt::format("packed, stored as {}", type));
    }
}

}  // namespace qwend
