#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/json.h"

namespace qwend {

/// Reads what a checkpoint of the folder is for, from config.json's `architectures`, `model_type`,
/// `is_causal`, `auto_map`, `id2label`, `num_labels`, `problem_type` and `pad_token_id`, and from
/// whether there is a modules.json, into config.head, .other_architecture, .is_causal, .is_gte,
/// .is_embedder, .labels, .problem_type and .pad_token_id; config.tie_word_embeddings is there
/// already. Throws LoadError: no Qwen2 (what it is instead), or a field that is not of its type.
void read_head(const JsonFile& json, const std::filesystem::path& dir, ModelConfig& config);

}  // namespace qwend
