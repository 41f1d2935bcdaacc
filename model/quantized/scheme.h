#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "model/json.h"
#include "model/linear_kind.h"
#include "model/quantized/module_names.h"
#include "model/quantized/stored.h"

namespace qwend {

/// How a folder's linear layers are quantised, by its configuration. Sources: AutoAWQ's and
/// AutoGPTQ's packers, compressed-tensors' quantization_args.py, transformers' fine-grained FP8.
struct QuantScheme {
    std::string source;  // the file that says so
    std::string method;  // "awq", "gptq", "compressed-tensors pack-quantized", "fp8"
    LinearKind kind = LinearKind::int4;
    CodePacking packing = CodePacking::bytes;
    ZeroPoints zero_points = ZeroPoints::middle;
    int group = 0;  // inputs that share a scale; 0: all
    int rows = 1;   // outputs that share a scale; 0: all
    std::string scale_name;
    std::string description;  // what text() says, where it does not follow from the others
    ModuleNames left_alone, converted;  // of which modules; no name in `converted`: all others

    int bits() const { return kind == LinearKind::int4 ? 4 : 8; }
    /// "awq, 4 bits in groups of 128"
    std::string text() const;
    /// Whether the configuration counts a linear layer among the quantised.
    Named converts(std::string_view module) const;
};

/// What config.json, or one of the files that older tools leave beside it, says; empty: that the
/// weights are not quantised. Throws LoadError: a scheme that is not served, with its name, what is
/// and what to do; a field that is no value of its own.
std::optional<QuantScheme> read_quant_scheme(const JsonFile& config,
                                             const std::filesystem::path& dir);

/// The same of the object alone, for the tests and the fuzzer; `method` if it names none.
QuantScheme parse_quant_scheme(simdjson::dom::object fields, const std::string& source,
                               std::string_view method);

}  // namespace qwend
