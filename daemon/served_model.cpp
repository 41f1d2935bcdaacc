#include "daemon/served_model.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <filesystem>

#include "model/error.h"

namespace qwend {

namespace {

/// When the weights were written, Unix time; 0 if there is no such file.
std::time_t modification_time(const std::filesystem::path& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_mtime : 0;
}

std::string folder_name(const std::filesystem::path& dir) {
    auto path = std::filesystem::weakly_canonical(dir);
    return path.filename().string();
}

}  // namespace

ServedModel load_served_model(const Options& options) {
    const auto& dir = options.model;
    ModelConfig config = load_model_config(dir);
    GenerationDefaults defaults = load_generation_defaults(dir);
    Tokenizer tokenizer = Tokenizer::load(dir);
    if (tokenizer.size() > config.vocab_size)
        throw LoadError(
            fmt::format("{}: the tokenizer has {} ids, more than the {} logits of "
                        "config.json; do they belong together?",
                        dir.string(), tokenizer.size(), config.vocab_size));
    ServedModel model{.names = options.served_model_name,
                      .root = dir.string(),
                      .config = config,
                      .defaults = defaults,
                      .tokenizer = std::move(tokenizer),
                      .chat_template = load_chat_template(dir),
                      .max_model_len = config.max_position,
                      .eos_token_ids = defaults.eos_token_ids,
                      .created = modification_time(dir / "config.json")};
    if (model.names.empty()) model.names = {folder_name(dir)};
    if (model.eos_token_ids.empty()) model.eos_token_ids = config.eos_token_ids;
    if (options.max_context > 0) {
        if (options.max_context > config.max_position)
            throw LoadError(fmt::format("max-context {} is more than the model's own {}",
                                        options.max_context, config.max_position));
        model.max_model_len = options.max_context;
    }
    return model;
}

}  // namespace qwend
