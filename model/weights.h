#pragma once

#include <filesystem>
#include <vector>

#include "model/config.h"
#include "model/safetensors.h"

namespace qwend {

/// One decoder layer; linear weights are (out, in) row-major, as published.
struct LayerWeights {
    TensorView input_norm;           // (hidden)
    TensorView q_weight, q_bias;     // (n_heads * head_dim, hidden), (n_heads * head_dim)
    TensorView k_weight, k_bias;     // (n_kv_heads * head_dim, hidden), (n_kv_heads * head_dim)
    TensorView v_weight, v_bias;     // as k
    TensorView o_weight;             // (hidden, n_heads * head_dim)
    TensorView post_attention_norm;  // (hidden)
    TensorView gate_weight;          // (intermediate, hidden)
    TensorView up_weight;            // (intermediate, hidden)
    TensorView down_weight;          // (hidden, intermediate)
};

struct Weights {
    TensorView embedding;  // (vocab, hidden)
    std::vector<LayerWeights> layers;
    TensorView final_norm;  // (hidden)
    TensorView lm_head;     // (vocab, hidden); the embedding itself when tied
};

/// A checkpoint folder opened and verified: every tensor is there with the shape config.json
/// implies. Holds the mapped files; the views in `weights` point into them.
struct Checkpoint {
    ModelConfig config;
    SafetensorsFiles files;
    Weights weights;
};

/// Throws LoadError with Expected and Actual for a missing or misshapen tensor.
Checkpoint open_checkpoint(const std::filesystem::path& dir);

}  // namespace qwend
