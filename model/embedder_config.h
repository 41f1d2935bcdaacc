#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/activation.h"
#include "model/config.h"
#include "model/pooling.h"

namespace qwend {

/// A linear layer that a vector goes through after pooling, in a folder of its own.
struct DenseModule {
    std::filesystem::path dir;
    int n_in = 0, n_out = 0;
    bool has_bias = true;
    Activation activation = Activation::linear;
};

/// How vectors are made of texts: what a sentence-transformers folder says in modules.json and the
/// files that it names, and what holds where there is none.
struct EmbedderConfig {
    Pooling pooling = Pooling::last;
    bool pools_prompt = true;                    // else the tokens of a prompt are left out of it
    std::vector<DenseModule> dense;              // in their order
    bool normalizes = true;                      // to length 1, where nobody asks otherwise
    std::map<std::string, std::string> prompts;  // by name: what stands before a text
    std::string default_prompt;                  // stands before every text; mostly empty
    bool renders_chat = false;                   // a text is what a user says, a prompt the system
    std::optional<int> max_tokens;               // of a text, if it is less than the model's
    // gte-Qwen2's own tokenizer puts the end of a text behind it, which tokenizer.json does not
    // say.
    bool appends_end = false;
};

/// Throws LoadError: a file of the folder's is missing or wrong, or asks for a module or a pooling
/// that is not served (which).
EmbedderConfig load_embedder_config(const std::filesystem::path& dir, const ModelConfig& config);

}  // namespace qwend
