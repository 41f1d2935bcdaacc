#pragma once

#include <filesystem>
#include <string>

#include "model/json.h"
#include "model/safetensors.h"

namespace qwend {

/// Throws LoadError if config.json, or one of the files that older tools leave beside it, says that
/// the weights are quantised: with the scheme, the bits and what to do.
void refuse_quantized_config(const JsonFile& config, const std::filesystem::path& dir);

/// The same by the tensors, for folders whose configuration is silent.
void refuse_quantized_tensors(const StoredTensors& tensors, const std::filesystem::path& dir);

}  // namespace qwend
