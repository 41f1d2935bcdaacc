#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/activation.h"
#include "model/config.h"
#include "model/linear_kind.h"
#include "model/quantized/stored.h"
#include "model/tensor_files.h"

namespace qwend {

/// A linear layer in the files, y = x Wᵀ + b, as published.
struct StoredLinear {
    LinearKind kind = LinearKind::dense;
    int n = 0, k = 0;                  // outputs, inputs
    StoredTensor weight;               // dense: (n, k); else codes, as `quantized` has them
    std::optional<StoredTensor> bias;  // (n)
    std::optional<QuantizedParts> quantized = {};  // of any kind but dense
};

/// One decoder layer.
struct LayerWeights {
    StoredTensor input_norm;           // (hidden)
    StoredLinear q;                    // hidden → n_heads * head_dim, with bias
    StoredLinear k, v;                 // hidden → n_kv_heads * head_dim, with bias
    StoredLinear o;                    // n_heads * head_dim → hidden
    StoredTensor post_attention_norm;  // (hidden)
    StoredLinear gate, up;             // hidden → intermediate
    StoredLinear down;                 // intermediate → hidden
};

/// A layer of a head that is not for text: y = activation(x Wᵀ + b).
struct HeadLayer {
    StoredLinear linear;
    Activation activation = Activation::linear;
};

/// Where the weights of a model lie in its files: all of them BF16, F16 or F32 but the linear
/// layers, which may be quantised.
struct Weights {
    StoredTensor embedding;  // (vocab, hidden)
    std::vector<LayerWeights> layers;
    StoredTensor final_norm;  // (hidden)
    StoredLinear lm_head;     // hidden → vocab; its matrix is the embedding itself when tied, or
                              // where the model has no head for text, so that there is one
    bool tied = false;        // the head is the embedding, and no matrix of its own
    std::vector<HeadLayer> head;  // of a HeadKind that is not text; hidden → … → labels
};

/// A checkpoint folder or GGUF file opened and verified: every tensor is there with the shape
/// config.json implies. Needed until its weights are loaded and no longer.
struct Checkpoint {
    ModelConfig config;
    TensorFiles files;
    Weights weights;
    /// What vectors go through after pooling, each with files of its own.
    struct Dense {
        TensorFiles files;
        HeadLayer layer;
    };
    std::vector<Dense> dense;
    std::vector<std::string> warnings;  // what of the files is not used or contradicts config.json
};

/// What becomes of numbers while they are loaded.
struct QuantizeAtLoad {
    LinearKind layers = LinearKind::dense;  // linear layers become this; dense: they stay
    bool head = false;                      // the head for text becomes int8, if it is numbers
};

/// Throws LoadError with Expected and Actual for a missing or misshapen tensor, one of a dtype that
/// is not served, quantised weights that are not what config.json says of them, or layers to be
/// quantised that are already.
Checkpoint open_checkpoint(const std::filesystem::path& model, const QuantizeAtLoad& at_load = {});

}  // namespace qwend
