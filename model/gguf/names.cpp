#include "model/gguf/names.h"

#include <algorithm>
#include <span>

namespace qwend {

namespace {

struct Names {
    std::string_view gguf, checkpoint;
};

constexpr Names kModules[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr Names kOfLayer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
constexpr Names kLayers = {"blk.", "model.layers."};
constexpr std::string_view kEndings[] = {".weight", ".bias"};

/// The name by one column of the tables becomes that by the other.
std::string translate(std::string_view name, std::string_view Names::*from,
                      std::string_view Names::*to) {
    std::string_view ending, module = name;
    for (std::string_view each : kEndings)
        if (name.ends_with(each)) ending = each;
    module.remove_suffix(ending.size());
    std::string made;
    std::span<const Names> table = kModules;
    if (module.starts_with(kLayers.*from)) {
        module.remove_prefix((kLayers.*from).size());
        const size_t n_digits = std::min(module.find_first_not_of("0123456789"), module.size());
        if (n_digits == 0 || n_digits > 9 || !module.substr(n_digits).starts_with('.')) return {};
        made.append(kLayers.*to).append(module.substr(0, n_digits + 1));
        module.remove_prefix(n_digits + 1);
        table = kOfLayer;
    }
    const auto found = std::ranges::find(table, module, from);
    if (found == table.end()) return {};
    return made.append((*found).*to).append(ending);
}

}  // namespace

std::string checkpoint_name(std::string_view gguf) {
    return translate(gguf, &Names::gguf, &Names::checkpoint);
}

std::string gguf_name(std::string_view checkpoint) {
    std::string name = translate(checkpoint, &Names::checkpoint, &Names::gguf);
    return name.empty() ? std::string(checkpoint) : name;
}

}  // namespace qwend
