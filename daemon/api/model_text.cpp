#include "daemon/api/model_text.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "model/error.h"
#include "model/gguf/files.h"
#include "model/text/tokenizer_files.h"

namespace qwend {

namespace {

/// When the weights were written, Unix time; 0 if there is no such file.
std::time_t modification_time(const std::filesystem::path& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_mtime : 0;
}

/// A chat whose turns are not marked by control tokens would be another text to the model than it
/// was trained on, and nobody would notice: refused like a template that is not known.
void check_chat_tokens(const std::filesystem::path& dir, const ModelText& model) {
    for (const char* token : {"<|im_start|>", "<|im_end|>"})
        if (model.chat_template.text.find(token) != std::string::npos &&
            !model.tokenizer.added_token_id(token))
            throw LoadError(
                fmt::format("{}: expected the token {} among the tokenizer's added tokens, since "
                            "the chat template writes it, found none; take tokenizer.json from "
                            "the model's own repository, or take the chat template out",
                            dir.string(), token));
}

/// What of the files is not used.
std::vector<std::string> warnings_of(const std::filesystem::path& dir, const ModelConfig& config,
                                     const Tokenizer& tokenizer) {
    std::vector<std::string> warnings;
    if (const int n = tokenizer.n_left_out())
        warnings.push_back(
            fmt::format("{}: {} added token{} beyond the {} rows of the embedding, to the model "
                        "nothing but text; was it resized when they were added?",
                        dir.string(), n, n == 1 ? " is" : "s are", config.vocab_size));
    if (!config.other_architecture.empty())
        warnings.push_back(
            fmt::format("{}: config.json names the architecture {}: its Qwen2 generates text here, "
                        "and any other head is not used",
                        dir.string(), config.other_architecture));
    if (config.is_cut)
        warnings.push_back(
            fmt::format("{}: the context is {} tokens, beyond which config.json asks for attention "
                        "within a window or for LongRoPE's other frequencies",
                        dir.string(), config.max_position));
    return warnings;
}

/// To what the folder's embedder takes, and what the operator wants.
void limit_context(const Options& options, ModelText& model) {
    if (const auto most = model.embedder.max_tokens)
        model.max_model_len = std::min(model.max_model_len, *most);
    if (options.max_context > 0) {
        if (options.max_context > model.max_model_len)
            throw LoadError(fmt::format("max-context {} is more than the model's own {}",
                                        options.max_context, model.max_model_len));
        model.max_model_len = options.max_context;
    }
}

/// The tokens by which texts and their steps end, where vectors are made that need them.
void find_vector_tokens(const std::filesystem::path& dir, ModelText& model) {
    constexpr std::string_view kTextEnd = "<|endoftext|>", kStepEnd = "<extra_0>";
    const auto find = [&](std::string_view token) {
        const auto id = model.tokenizer.added_token_id(std::string(token));
        if (!id)
            throw LoadError(fmt::format(
                "{}: expected the token {} among the tokenizer's added tokens, by which "
                "this model is asked for vectors, found none",
                dir.string(), token));
        return id;
    };
    if (model.embedder.appends_end) model.text_end_id = find(kTextEnd);
    if (model.config.head == HeadKind::process_reward) model.step_end_id = find(kStepEnd);
}

/// Of tools the template speaks that is rendered where there are some.
OutputFormat format_of(const Options& options, const ChatTemplate& chat_template) {
    OutputFormat found = output_format_of(chat_template.text);
    if (chat_template.tool_use) found.tools = output_format_of(chat_template.tool_use->text).tools;
    return chosen_format(found, options.reasoning_format, options.tool_format);
}

}  // namespace

std::vector<std::string> folder_names(const std::filesystem::path& dir) {
    if (const auto file = find_gguf(dir); !file.empty()) return {gguf_model_name(file)};
    std::error_code ignored;
    auto path = std::filesystem::weakly_canonical(dir, ignored);
    if (path.filename().empty()) path = path.parent_path();  // what ends in a slash
    std::string name = path.filename().string();
    // The Hugging Face cache: models--Qwen--Qwen2.5-0.5B-Instruct/snapshots/<hash>.
    constexpr std::string_view kPrefix = "models--", kSlash = "--";
    const auto snapshots = path.parent_path();
    const std::string repository = snapshots.parent_path().filename().string();
    if (snapshots.filename() == "snapshots" && repository.starts_with(kPrefix)) {
        name = repository.substr(kPrefix.size());
        if (const size_t at = name.find(kSlash); at != name.npos) {
            name.replace(at, kSlash.size(), "/");
            return {name, name.substr(at + 1)};
        }
    }
    // ModelScope's writes dots as three underscores.
    for (size_t at = 0; (at = name.find("___", at)) != name.npos;) name.replace(at, 3, ".");
    return {name.empty() ? "model" : name};
}

ModelText load_model_text(const Options& options) {
    const auto& dir = options.model;
    ModelConfig config = load_model_config(dir);
    GenerationDefaults defaults = load_generation_defaults(dir);
    Tokenizer tokenizer = Tokenizer::load(dir, config.vocab_size);
    if (tokenizer.size() > config.vocab_size)
        throw LoadError(
            fmt::format("{}: the tokenizer has {} ids, more than the {} logits of "
                        "config.json; do they belong together?",
                        dir.string(), tokenizer.size(), config.vocab_size));
    std::vector<std::string> warnings = warnings_of(dir, config, tokenizer);
    ModelText model{
        .names = options.served_model_name,
        .root = dir.string(),
        .config = config,
        .quantization = {},
        .defaults = defaults,
        .embedder = load_embedder_config(dir, config),
        .tokenizer = std::move(tokenizer),
        .chat_template = load_chat_template(dir, options.chat_template),
        .output_format = {},
        .max_model_len = config.max_position,
        .eos_token_ids = defaults.eos_token_ids,
        .chat_eos_token_ids = {},
        .text_end_id = {},
        .step_end_id = {},
        .created = modification_time(config.is_gguf ? find_gguf(dir) : dir / "config.json"),
        .warnings = std::move(warnings)};
    if (config.generates()) check_chat_tokens(dir, model);
    find_vector_tokens(dir, model);
    model.output_format = format_of(options, model.chat_template);
    if (model.names.empty()) model.names = folder_names(dir);
    if (model.eos_token_ids.empty()) model.eos_token_ids = config.eos_token_ids;
    model.chat_eos_token_ids = model.eos_token_ids;
    if (const auto eos = load_special_token(dir, "eos_token")) {
        auto ids = model.tokenizer.encode_with_added_tokens(*eos);
        if (const auto id = model.tokenizer.added_token_id(*eos)) ids = {*id};  // spelled or not
        auto& ends = model.chat_eos_token_ids;
        if (ids.size() == 1 && std::find(ends.begin(), ends.end(), ids[0]) == ends.end())
            ends.push_back(ids[0]);
    }
    limit_context(options, model);
    return model;
}

}  // namespace qwend
