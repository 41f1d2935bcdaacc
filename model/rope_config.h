#pragma once

#include "model/config.h"
#include "model/json.h"

namespace qwend {

/// Reads how config.json wants positions rotated: rope_theta, rope_scaling (or, newer,
/// rope_parameters) and max_position_embeddings, into config.rope_theta, .rope_linear_factor,
/// .n_rotated, .yarn, .longrope, .llama3 and .max_position. Precedence and defaults are those of
/// transformers 5 (RotaryEmbeddingConfigMixin); the context an extension allows is the one vLLM
/// serves. Throws LoadError: another type than default, linear, dynamic, yarn, longrope, llama3,
/// proportional, su or mrope (which vLLM takes for longrope and default), or a number out of its
/// range.
void read_rope(const JsonFile& json, ModelConfig& config);

}  // namespace qwend
