#include "model/quantized/scheme.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "model/quantized/fields.h"
#include "model/quantized/refusal.h"

namespace qwend {

namespace {

using simdjson::dom::object;

constexpr int64_t kLongestGroup = 1 << 20;

/// A group's length in inputs, 0 for all: -1 and null say that.
int read_group(const SchemeFields& fields, std::initializer_list<const char*> names,
               int otherwise) {
    const int64_t group = fields.integer(names, otherwise);
    if (group == -1 || group == 0) return 0;
    if (group < 0 || group > kLongestGroup || group % 32 != 0)
        fields.refuse(
            fmt::format("{}: expected -1 or a multiple of 32, found {}", *names.begin(), group));
    return int(group);
}

QuantScheme parse_awq(const SchemeFields& fields) {
    QuantScheme scheme;
    scheme.method = "awq";
    scheme.packing = CodePacking::awq, scheme.zero_points = ZeroPoints::stored;
    scheme.scale_name = "scales";
    if (const auto bits = fields.integer({"bits", "w_bit"}, 4); bits != 4)
        fields.refuse(fmt::format("bits: expected 4, found {}", bits));
    if (const auto version = fields.lower("version", "gemm"); version != "gemm")
        fields.refuse(fmt::format("version: expected gemm, found {}", version));
    if (!fields.boolean("zero_point", true))
        fields.refuse("zero_point: expected true, found false");
    scheme.group = read_group(fields, {"group_size", "q_group_size"}, 128);
    fields.add_names("modules_to_not_convert", scheme.left_alone);
    return scheme;
}

QuantScheme parse_gptq(const SchemeFields& fields) {
    QuantScheme scheme;
    scheme.method = "gptq";
    scheme.packing = CodePacking::gptq, scheme.zero_points = ZeroPoints::stored_less;
    scheme.scale_name = "scales";
    const auto bits = fields.integer({"bits"}, 0);
    if (bits != 4 && bits != 8) fields.refuse(fmt::format("bits: expected 4 or 8, found {}", bits));
    scheme.kind = bits == 4 ? LinearKind::int4 : LinearKind::int8;
    if (fields.boolean("desc_act", false))
        fields.refuse("desc_act: expected false, found true (act-order)");
    if (fields.boolean("is_marlin_format", false))
        fields.refuse("is_marlin_format: expected false, found true");
    for (const char* name : {"checkpoint_format", "format"}) {
        const std::string format = fields.lower(name, "gptq");
        if (format == "gptq_v2")
            scheme.zero_points = ZeroPoints::stored;
        else if (format != "gptq")
            fields.refuse(fmt::format("{}: expected gptq or gptq_v2, found {}", name, format));
    }
    scheme.group = read_group(fields, {"group_size"}, 128);
    if (const auto dynamic = fields.find_object("dynamic"))
        for (auto [name, value] : *dynamic) {
            if (!name.starts_with("-:"))
                fields.refuse(fmt::format("dynamic: expected one scheme for all, found {}", name));
            scheme.left_alone.add("re:" + std::string(name.substr(2)));
        }
    fields.add_names("modules_in_block_to_quantize", scheme.converted);
    return scheme;
}

QuantScheme parse_fp8(const SchemeFields& fields) {
    QuantScheme scheme;
    scheme.method = "fp8";
    scheme.kind = LinearKind::fp8, scheme.rows = 0, scheme.scale_name = "weight_scale";
    const std::string inputs = fields.lower("activation_scheme", "dynamic");
    if (inputs != "static" && inputs != "dynamic")
        fields.refuse(
            fmt::format("activation_scheme: expected static or dynamic, found {}", inputs));
    if (const std::string format = fields.lower("fmt", "e4m3"); format != "e4m3")
        fields.refuse(fmt::format("fmt: expected e4m3, found {}", format));
    if (const auto block = fields.block("weight_block_size")) {
        scheme.rows = block->first, scheme.group = block->second;
        scheme.scale_name = "weight_scale_inv";
    }
    fields.add_names("ignored_layers", scheme.left_alone);
    fields.add_names("modules_to_not_convert", scheme.left_alone);
    return scheme;
}

/// The scales of compressed-tensors' weights, and its zeros.
void read_weights(const SchemeFields& weights, QuantScheme& scheme) {
    const std::string strategy = weights.lower("strategy", "");
    if (strategy == "tensor") {
        scheme.rows = 0;
    } else if (strategy == "group") {
        scheme.group = read_group(weights, {"group_size"}, 0);
        if (scheme.group == 0) weights.refuse("group_size: expected a length, found none");
    } else if (strategy == "block") {
        const auto block = weights.block("block_structure");
        if (!block) weights.refuse("block_structure: expected two sizes, found none");
        scheme.rows = block->first, scheme.group = block->second;
    } else if (strategy != "channel") {
        weights.refuse(fmt::format(
            "strategy: expected tensor, channel, group or block, found \"{}\"", strategy));
    }
    const bool is_float = scheme.kind == LinearKind::fp8;
    if (!weights.boolean("symmetric", true)) {
        if (is_float) weights.refuse("symmetric: expected true of floats, found false");
        scheme.zero_points = ZeroPoints::stored;
    }
    if (const std::string order = weights.lower("actorder", "");
        order != "" && order != "weight" && order != "static" && order != "group")
        weights.refuse(fmt::format("actorder: expected weight, found {}", order));
}

QuantScheme parse_compressed(const SchemeFields& fields) {
    QuantScheme scheme;
    const std::string format = fields.lower("format", "");
    scheme.method = "compressed-tensors " + format;
    scheme.scale_name = "weight_scale";
    const std::array served = {"pack-quantized", "int-quantized", "float-quantized",
                               "naive-quantized"};
    if (std::find(served.begin(), served.end(), format) == served.end())
        fields.refuse(fmt::format("format: \"{}\" is not served", format));
    if (const auto sparsity = fields.find_object("sparsity_config"))
        if (SchemeFields(*sparsity, fields).lower("format", "dense") != "dense")
            fields.refuse("sparsity_config: expected none, found one");
    const auto group = fields.only_of("config_groups");
    const SchemeFields of_group(group, fields);
    const auto found = of_group.find_object("weights");
    if (!found) fields.refuse("config_groups: expected weights, found none");
    const SchemeFields weights(*found, fields);
    const auto bits = weights.integer({"num_bits"}, 0);
    const std::string type = weights.lower("type", "int");
    const bool is_packed = format == "pack-quantized", is_float = type == "float";
    if ((bits != 8 && (bits != 4 || !is_packed)) || (is_packed && type != "int") ||
        (format == "int-quantized" && type != "int") ||
        (format == "float-quantized" && !is_float) || (type != "int" && !is_float))
        weights.refuse(fmt::format("num_bits and type: expected {}, found {} and {}",
                                   is_packed ? "4 or 8 and int" : "8 and int or float", bits,
                                   type));
    scheme.kind = bits == 4 ? LinearKind::int4 : is_float ? LinearKind::fp8 : LinearKind::int8;
    scheme.packing = is_packed ? CodePacking::along_k : CodePacking::bytes;
    read_weights(weights, scheme);
    of_group.add_targets("targets", scheme.converted);
    fields.add_names("ignore", scheme.left_alone);
    return scheme;
}

}  // namespace

std::string QuantScheme::text() const {
    if (!description.empty()) return description;
    const std::string scales = rows > 1    ? fmt::format(" in blocks of {}x{}", rows, group)
                               : group > 0 ? fmt::format(" in groups of {}", group)
                               : rows == 1 ? ", a scale for each output"
                                           : ", one scale";
    return fmt::format("{}, {} bits{}", method, bits(), scales);
}

Named QuantScheme::converts(std::string_view module) const {
    const Named left = left_alone.find(module);
    if (left == Named::yes) return Named::no;
    const Named taken = converted.empty() ? Named::yes : converted.find(module);
    if (taken == Named::no) return Named::no;
    return left == Named::maybe ? Named::maybe : taken;
}

QuantScheme parse_quant_scheme(object object, const std::string& source, std::string_view method) {
    const SchemeFields fields(object, source, describe_scheme(object, method));
    const std::string named = fields.lower("quant_method", method);
    QuantScheme scheme;
    if (named == "awq")
        scheme = parse_awq(fields);
    else if (named == "gptq")
        scheme = parse_gptq(fields);
    else if (named == "compressed-tensors")
        scheme = parse_compressed(fields);
    else if (named == "fp8")
        scheme = parse_fp8(fields);
    else
        fields.refuse("");
    scheme.source = source;
    return scheme;
}

std::optional<QuantScheme> read_quant_scheme(const JsonFile& config,
                                             const std::filesystem::path& dir) {
    for (auto [field, method] : {std::pair{"quantization_config", ""},
                                 {"compression_config", "compressed-tensors"},
                                 {"quantization", "MLX"}}) {
        object fields;
        const auto element = config.find(field);
        if (!element || element->get(fields) != simdjson::SUCCESS || fields.size() == 0) continue;
        return parse_quant_scheme(fields, config.name(), method);
    }
    for (auto [name, method] : {std::pair{"quantize_config.json", "gptq"},
                                {"quant_config.json", "awq"},
                                {"hf_quant_config.json", "ModelOpt"}}) {
        if (!file_exists(dir / name)) continue;
        const JsonFile json(dir / name);
        object fields = json.root();
        if (const auto inner = json.find("quantization")) (void)!inner->get(fields);
        return parse_quant_scheme(fields, json.name(), method);
    }
    return std::nullopt;
}

}  // namespace qwend
