#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "model/json.h"
#include "model/tensor_files.h"

namespace qwend {

/// Throws LoadError for a scheme that is not served: its name, why, what is served, what to do.
[[noreturn]] void refuse_scheme(std::string_view where, std::string_view scheme,
                                std::string_view why = {});

/// "gptq, 4 bits" and the like, of any scheme's object; `otherwise` if it names no method.
std::string describe_scheme(simdjson::dom::object fields, std::string_view otherwise);

/// Refuses folders whose tensors are quantised although their configuration is silent.
void refuse_quantized_tensors(const StoredTensors& tensors, const std::filesystem::path& dir);

}  // namespace qwend
