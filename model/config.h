#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/activation.h"

namespace qwend {

class JsonFile;      // model/json.h
struct QuantScheme;  // model/quantized/scheme.h

/// YaRN context extension (Peng et al. 2023, arXiv:2309.00071), as `rope_scaling` spells it and
/// transformers reads it.
struct YarnScaling {
    float factor = 1.0f;
    int original_max_position = 0;        // tokens
    float beta_fast = 32, beta_slow = 1;  // rotations over the original context: where the ramp is
    std::optional<float> attention_factor;  // of cos and sin; else from factor and both mscales
    float mscale = 0, mscale_all_dim = 0;   // 0: absent
    bool truncate = true;                   // the ramp begins and ends at whole dimensions
};

/// Llama 3.1's context extension, as transformers reads it: wavelengths above
/// original_max_position / low_freq_factor are divided by `factor`, those below
/// original_max_position / high_freq_factor stay, and between them the share grows.
struct Llama3Scaling {
    float factor = 1, low_freq_factor = 1, high_freq_factor = 4;
    int original_max_position = 0;  // tokens
};

/// LongRoPE (Ding et al. 2024, arXiv:2402.13753), as transformers reads it, for texts within the
/// original context: what is beyond it turns at other frequencies, keys that are cached already
/// too.
struct LongRopeScaling {
    std::vector<float> short_factor;  // (head_dim / 2) what a dimension's frequency is divided by
    float attention_factor = 1;       // of cos and sin
};

/// What the last layer of a checkpoint is for.
enum class HeadKind {
    text,            // logits of the next token
    none,            // there is none: the hidden states are what is wanted
    classes,         // of a whole text: a score for each label, or one that says how good it is
    reward,          // of each token: what the text up to it is worth
    process_reward,  // of each step of a text: whether it is right
};

/// The numbers of config.json that decide shapes and mathematics; where it is silent, they are
/// those of transformers' Qwen2Config.
struct ModelConfig {
    int vocab_size = 0;  // rows of the embedding = width of the logits (padded above the tokenizer)
    int hidden_size = 0;
    int intermediate_size = 0;
    int n_layers = 0;
    int n_heads = 0;
    int n_kv_heads = 0;
    int head_dim = 0;
    int max_position = 0;  // tokens of context, extensions included
    bool is_cut = false;   // it is less than the checkpoint's own, which asks beyond it for what is
                           // not there: attention within a window, LongRoPE's other frequencies
    Activation activation = Activation::silu;  // of the gate of the feed-forward network
    float rms_norm_eps = 1e-6f;
    float rope_theta = 1e6f;
    float rope_linear_factor = 1.0f;  // all frequencies are divided by it
    std::optional<int> n_rotated;     // of the head_dim / 2 frequencies, those that are not 0
    std::optional<Llama3Scaling> llama3;
    std::optional<LongRopeScaling> longrope;
    bool tie_word_embeddings = false;
    std::optional<YarnScaling> yarn;
    std::vector<int32_t> eos_token_ids;  // of config.json; generation_config.json has precedence
    std::string other_architecture;      // what a Qwen2 was trained for if not to generate text
    HeadKind head = HeadKind::text;
    bool is_causal = true;     // whether a token attends to those before it only; else to all
    bool is_embedder = false;  // the folder says how vectors are made of its texts
    bool is_gte = false;       // it is one of gte-Qwen2's, with code of its own
    bool is_gguf = false;      // it is of a GGUF file
    std::optional<int32_t> pad_token_id;
    std::shared_ptr<const QuantScheme> quantization;  // of linear layers; null: they are numbers
    std::vector<std::string> labels;  // of classes, in order; empty: config.json names none
    std::string problem_type;         // of classes, in transformers' words; empty: it says nothing

    /// Whether text is what it is to generate.
    bool generates() const { return head == HeadKind::text && is_causal && !is_embedder; }
};

/// Weights of all tensors; a head that is the embedding counts once.
int64_t count_parameters(const ModelConfig& config);

/// What generation_config.json sets; an absent field stays empty so that OpenAI's default applies.
struct GenerationDefaults {
    std::optional<float> temperature;  // 0 when do_sample is false
    std::optional<float> top_p;
    std::optional<float> min_p;
    std::optional<int> top_k;
    std::optional<float> repetition_penalty;
    std::vector<int32_t> eos_token_ids;
    std::vector<std::string> warnings;  // settings that make no sense and are not used
};

/// Reads and checks DIR/config.json, or what a GGUF file says in its place. Throws LoadError: not a
/// Qwen2 (named), an out-of-range number, an unknown hidden_act or rope_scaling, weights quantised
/// in a way that is not served.
ModelConfig load_model_config(const std::filesystem::path& model);

/// The shapes and the mathematics of a config.json alone.
void read_model_numbers(const JsonFile& json, ModelConfig& config);

/// Reads DIR/generation_config.json, or what a GGUF file says in its place; a missing file gives
/// empty defaults. A value beyond its range
/// that others take for "off" is read so; any other is left out, with a warning. Throws LoadError:
/// not JSON, or eos_token_id is not token ids.
GenerationDefaults load_generation_defaults(const std::filesystem::path& model);

}  // namespace qwend
