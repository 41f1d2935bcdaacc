#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/api/output_format.h"
#include "daemon/options.h"
#include "model/config.h"
#include "model/embedder_config.h"
#include "model/text/chat.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// All of a checkpoint folder or GGUF file that is text rather than mathematics: what the API needs
/// to turn a request into ids and ids into an answer.
struct ModelText {
    std::vector<std::string> names;  // aliases; the first is what answers say
    std::string root;                // the folder or file; for the log, clients learn no path
    ModelConfig config;
    std::string quantization;  // of the weights as they are served, for people; empty: none
    GenerationDefaults defaults;
    EmbedderConfig embedder;
    Tokenizer tokenizer;
    ChatTemplate chat_template;
    OutputFormat output_format;
    int max_model_len = 0;                    // tokens of context served
    std::vector<int32_t> eos_token_ids;       // generation_config.json's, else config.json's
    std::vector<int32_t> chat_eos_token_ids;  // these, and the tokenizer's own eos_token
    std::optional<int32_t> text_end_id;       // what stands behind a text of which a vector is made
    std::optional<int32_t> step_end_id;       // behind a step of what a process is rewarded for
    std::time_t created = 0;                  // of the weights, for /v1/models
    std::vector<std::string> warnings;        // what of the files is not used
};

/// The names of a checkpoint folder or GGUF file, the first being the one that answers carry: its
/// own, but in the Hugging Face cache the repository's, with and without its owner, since the
/// folder is a hash.
std::vector<std::string> folder_names(const std::filesystem::path& dir);

/// Throws LoadError: a file is missing or wrong, or they do not belong together.
ModelText load_model_text(const Options& options);

}  // namespace qwend
