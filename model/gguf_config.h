#pragma once

#include "model/config.h"
#include "model/gguf/header.h"

namespace qwend {

/// What the metadata of a GGUF file, and the tensors of all of a model's, say of the model: what
/// config.json would. Throws LoadError: not a Qwen2 (named), a key that is missing or out of range,
/// a model that is for vectors.
ModelConfig gguf_config(const GgufHeader& header, const StoredTensors& tensors);

/// Settings for sampling, where the metadata have some: what generation_config.json would say.
std::string gguf_generation_json(const GgufHeader& header);

}  // namespace qwend
