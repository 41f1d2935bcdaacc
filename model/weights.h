#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/safetensors.h"

namespace qwend {

/// One decoder layer; linear weights are (out, in) row-major, as published.
struct LayerWeights {
    StoredTensor input_norm;           // (hidden)
    StoredTensor q_weight, q_bias;     // (n_heads * head_dim, hidden), (n_heads * head_dim)
    StoredTensor k_weight, k_bias;     // (n_kv_heads * head_dim, hidden), (n_kv_heads * head_dim)
    StoredTensor v_weight, v_bias;     // as k
    StoredTensor o_weight;             // (hidden, n_heads * head_dim)
    StoredTensor post_attention_norm;  // (hidden)
    StoredTensor gate_weight;          // (intermediate, hidden)
    StoredTensor up_weight;            // (intermediate, hidden)
    StoredTensor down_weight;          // (hidden, intermediate)
};

/// Where the weights of a model lie in its files: all of them BF16, F16 or F32.
struct Weights {
    StoredTensor embedding;  // (vocab, hidden)
    std::vector<LayerWeights> layers;
    StoredTensor final_norm;  // (hidden)
    StoredTensor lm_head;     // (vocab, hidden); the embedding itself when tied
    bool tied = false;        // the head is the embedding
};

/// A checkpoint folder opened and verified: every tensor is there with the shape config.json
/// implies. Needed until its weights are loaded and no longer.
struct Checkpoint {
    ModelConfig config;
    SafetensorsFiles files;
    Weights weights;
    std::vector<std::string> warnings;  // what of the files is not used or contradicts config.json
};

/// Throws LoadError with Expected and Actual for a missing or misshapen tensor, one of a dtype that
/// is not served, or quantised weights (with the scheme).
Checkpoint open_checkpoint(const std::filesystem::path& dir);

}  // namespace qwend
