#include "model/weights.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <string>

#include "model/error.h"

namespace qwend {

namespace {

/// Looks tensors up by name and insists on their shape.
class TensorFinder {
  public:
    TensorFinder(const SafetensorsFiles& files, std::string dir)
        : files_(files), dir_(std::move(dir)) {}

    TensorView get(const std::string& name, std::vector<int64_t> shape) const {
        const TensorView* view = files_.find(name);
        if (!view)
            throw LoadError(fmt::format("{}: tensor {}: expected shape [{}], found no such tensor",
                                        dir_, name, fmt::join(shape, ", ")));
        if (view->shape != shape)
            throw LoadError(
                fmt::format("{}: tensor {}: expected shape [{}], found [{}]; do "
                            "config.json and the weights belong together?",
                            dir_, name, fmt::join(shape, ", "), fmt::join(view->shape, ", ")));
        return *view;
    }

  private:
    const SafetensorsFiles& files_;
    std::string dir_;
};

LayerWeights find_layer(const TensorFinder& find, const ModelConfig& config, int layer) {
    const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
    const int64_t q_dim = int64_t(config.n_heads) * config.head_dim;
    const int64_t kv_dim = int64_t(config.n_kv_heads) * config.head_dim;
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    auto get = [&](const char* name, std::vector<int64_t> shape) {
        return find.get(prefix + name, std::move(shape));
    };
    LayerWeights w;
    w.input_norm = get("input_layernorm.weight", {hidden});
    w.q_weight = get("self_attn.q_proj.weight", {q_dim, hidden});
    w.q_bias = get("self_attn.q_proj.bias", {q_dim});
    w.k_weight = get("self_attn.k_proj.weight", {kv_dim, hidden});
    w.k_bias = get("self_attn.k_proj.bias", {kv_dim});
    w.v_weight = get("self_attn.v_proj.weight", {kv_dim, hidden});
    w.v_bias = get("self_attn.v_proj.bias", {kv_dim});
    w.o_weight = get("self_attn.o_proj.weight", {hidden, q_dim});
    w.post_attention_norm = get("post_attention_layernorm.weight", {hidden});
    w.gate_weight = get("mlp.gate_proj.weight", {inner, hidden});
    w.up_weight = get("mlp.up_proj.weight", {inner, hidden});
    w.down_weight = get("mlp.down_proj.weight", {hidden, inner});
    return w;
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& dir) {
    ModelConfig config = load_model_config(dir);
    SafetensorsFiles files = SafetensorsFiles::open(dir);
    TensorFinder find(files, dir.string());
    const int64_t vocab = config.vocab_size, hidden = config.hidden_size;
    Weights weights;
    weights.embedding = find.get("model.embed_tokens.weight", {vocab, hidden});
    for (int layer = 0; layer < config.n_layers; layer++)
        weights.layers.push_back(find_layer(find, config, layer));
    weights.final_norm = find.get("model.norm.weight", {hidden});
    weights.lm_head = config.tie_word_embeddings ? weights.embedding
                                                 : find.get("lm_head.weight", {vocab, hidden});
    return Checkpoint{std::move(config), std::move(files), std::move(weights)};
}

}  // namespace qwend
