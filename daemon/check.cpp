#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "daemon/api/model_text.h"
#include "daemon/api/vector_inputs.h"
#include "daemon/commands.h"
#include "daemon/file_access.h"

namespace qwend {

namespace {

std::string template_name(const ModelText& model) {
    const ChatTemplate& found = model.chat_template;
    const char* refused = "/v1/chat/completions is refused, qwend generate continues raw text";
    if (!found.error.empty()) return fmt::format("{}: {}; {}", found.source, found.error, refused);
    if (!found.is_usable()) return fmt::format("none: {}", refused);
    const ChatTemplate& for_tools = found.tool_use ? *found.tool_use : found;
    if (!for_tools.error.empty())
        return fmt::format("{}: {}; requests with tools are refused", found.source,
                           for_tools.error);
    return fmt::format("{}{}", found.source,
                       for_tools.parsed->mentions("tools") ? "" : ", without tools");
}

/// What becomes of a text where none is generated.
std::string vectors_text(const ModelText& model) {
    switch (vector_kind(model.config)) {
        case VectorKind::classes:
            return "a number for each label: /classify";
        case VectorKind::reward:
            return "a number for each token: /pooling";
        case VectorKind::steps:
            return "two numbers for each step: /pooling";
        case VectorKind::embedding:
            break;
    }
    return fmt::format("embeddings{}{}: /v1/embeddings",
                       model.embedder.normalizes ? " of length 1" : "",
                       model.config.is_causal ? "" : ", of tokens that see each other both ways");
}

std::string pool_text(const BackendInfo& backend, const ModelText& model) {
    const uint64_t tokens = uint64_t(backend.n_blocks) * uint64_t(backend.block_size);
    return fmt::format("{} tokens in {} MiB: {:.1f} sequences of full context, at most {} at once",
                       tokens, (tokens * backend.kv_bytes_per_token) >> 20,
                       double(tokens) / double(model.max_model_len), backend.max_sequences);
}

std::string keys_text(const ServicePlan& plan, const Options& options) {
    if (!plan.keys.keys.empty())
        return fmt::format("{} API key{} from {}", plan.keys.keys.size(),
                           plan.keys.keys.size() == 1 ? "" : "s", plan.keys.file.string());
    return options.insecure_no_auth ? "off, also for other machines (insecure-no-auth)"
                                    : "off: whoever reaches the address may ask (api-key-file)";
}

void print_line(std::string_view name, std::string_view text) {
    fmt::print("{:<10} {}\n", name, text);
}

}  // namespace

void check(const CommandLine& line, const ServicePlan& plan, const ModelText& model,
           const Checkpoint& checkpoint, const BackendInfo& backend,
           const std::string& why_not_gpu) {
    const ModelConfig& config = model.config;
    print_line("config", line.config.empty() ? "none, flags and defaults" : line.config.string());
    print_line("device",
               backend.device + (why_not_gpu.empty() ? "" : " (no GPU: " + why_not_gpu + ")"));
    print_line("model",
               fmt::format("{} ({} layers, hidden {}, {} heads of {}, {} KV heads)",
                           fmt::join(model.names, ", "), config.n_layers, config.hidden_size,
                           config.n_heads, config.head_dim, config.n_kv_heads));
    print_line("weights",
               fmt::format("{} MiB in {} tensors{}; {} MiB in memory",
                           checkpoint.files.total_bytes() >> 20, checkpoint.files.tensors().size(),
                           model.quantization.empty() ? "" : ": " + model.quantization,
                           backend.weight_bytes >> 20));
    print_line("tokenizer",
               fmt::format("{} ids, {} logits", model.tokenizer.size(), config.vocab_size));
    print_line("context", fmt::format("{} tokens", model.max_model_len));
    print_line("KV cache", pool_text(backend, model));
    if (!config.generates()) print_line("vectors", vectors_text(model));
    print_line("template", template_name(model));
    print_line("listen", fmt::format("{}", fmt::join(line.options.listen, ", ")));
    if (!plan.state.empty())
        print_line(
            "state",
            plan.state.string() +
                (plan.state.is_absolute() ? "" : ", below what systemd keeps for the service"));
    for (const std::string& why : plan.busy)
        print_line("", fmt::format("{} now, perhaps by a qwend that runs", why));
    print_line("keys", keys_text(plan, line.options));
    if (const auto closed = closed_to_others(line.options.model); geteuid() == 0 && !closed.empty())
        print_line("note", fmt::format("root may read the model, but not the user that the service "
                                       "runs as: {} is closed to others; move the checkpoint to "
                                       "/var/lib/qwend, or chmod o+rX it",
                                       closed.string()));
}

}  // namespace qwend
