#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace qwend {

/// YaRN context extension (Peng et al. 2023, arXiv:2309.00071), as `rope_scaling` spells it.
struct YarnScaling {
    float factor = 1.0f;
    int original_max_position = 0;  // tokens
};

/// The numbers of config.json that decide shapes and mathematics. Every one is read, none assumed.
struct ModelConfig {
    int vocab_size = 0;  // rows of the embedding = width of the logits (padded above the tokenizer)
    int hidden_size = 0;
    int intermediate_size = 0;
    int n_layers = 0;
    int n_heads = 0;
    int n_kv_heads = 0;
    int head_dim = 0;
    int max_position = 0;  // tokens of context, YaRN included
    float rms_norm_eps = 1e-6f;
    float rope_theta = 1e6f;
    bool tie_word_embeddings = false;
    std::optional<YarnScaling> yarn;
    std::vector<int32_t> eos_token_ids;  // of config.json; generation_config.json has precedence
};

/// What generation_config.json sets; an absent field stays empty so that OpenAI's default applies.
struct GenerationDefaults {
    std::optional<float> temperature;  // 0 when do_sample is false
    std::optional<float> top_p;
    std::optional<float> min_p;
    std::optional<int> top_k;
    std::optional<float> repetition_penalty;
    std::vector<int32_t> eos_token_ids;
};

/// Reads and checks DIR/config.json. Throws LoadError: not a Qwen2ForCausalLM (named), a missing or
/// out-of-range number, sliding-window attention, an unknown rope_scaling.
ModelConfig load_model_config(const std::filesystem::path& dir);

/// Reads DIR/generation_config.json; a missing file gives empty defaults.
GenerationDefaults load_generation_defaults(const std::filesystem::path& dir);

}  // namespace qwend
