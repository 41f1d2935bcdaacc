// Fields of other servers, and of the references we follow, that are not obeyed here. A client that
// sends one must learn of it unless the answer is the same without it. The lists to go by are
// OpenAI's API reference; vLLM's ChatCompletionRequest and CompletionRequest; SGLang's protocol;
// the README of llama-server; Ollama's API types.

#include <map>
#include <set>

#include "daemon/api/openai/fields.h"

namespace qwend {

namespace {

constexpr unsigned kAll = kBoth | kTokenize;

struct OtherRow {
    unsigned scope;
    /// Besides null, false, "", [] and an object without anything in it: a JSON array of values
    /// that ask for what is done anyway.
    std::string_view no_ops = "[]";
    std::string_view instead = "";
    bool empty_asks = false;  // {} asks for something too
};

using OtherRows = std::map<std::string_view, OtherRow>;

/// Constraints on what the model may write.
const OtherRows kConstraints = {
    {"grammar_lazy", {kBoth}},
    {"grammar_triggers", {kBoth}},
    {"preserved_tokens", {kBoth}},
    {"format", {kBoth, "[]", "", true}},
    {"stop_regex", {kBoth, "[]", "use stop"}},
    {"custom_logit_processor", {kBoth}},
    {"custom_params", {kBoth}},
    {"logits_processors", {kBoth}},
    {"vllm_xargs", {kBoth}},
    {"functions", {kChat, "[]", "use tools"}},
    {"function_call", {kChat, R"(["none","auto"])", "use tools and tool_choice"}},
    {"parse_tool_calls", {kChat, "[true]"}},
};

/// Ways to draw the next token, and to end, that the sampler does not have.
const OtherRows kSampling = {
    {"use_beam_search", {kBoth}},
    {"length_penalty", {kBoth, "[1]"}},
    {"early_stopping", {kBoth}},
    {"best_of", {kChat, "[1]"}},
    {"n_cmpl", {kBoth, "[1]", "use n"}},
    {"repeat_penalty", {kBoth, "[1]", "use repetition_penalty"}},
    {"typical_p", {kBoth, "[1]"}},
    {"tfs_z", {kBoth, "[1]"}},
    {"top_n_sigma", {kBoth, "[-1,0]"}},
    {"xtc_probability", {kBoth, "[0]"}},
    {"dry_multiplier", {kBoth, "[0]"}},
    {"mirostat", {kBoth, "[0]"}},
    {"dynatemp_range", {kBoth, "[0]"}},
    {"adaptive_target", {kBoth, "[-1]"}},
    {"min_keep", {kBoth, "[0]"}},
    {"samplers", {kBoth}},
    {"watermarking", {kBoth}},
    {"repetition_detection", {kBoth}},
    {"no_stop_trim", {kBoth, "[]", "use include_stop_str_in_output"}},
    {"n_predict", {kBoth, "[-1]", "use max_tokens"}},
    {"num_predict", {kBoth, "[-1]", "use max_tokens"}},
    {"max_new_tokens", {kBoth, "[]", "use max_tokens"}},
    {"min_new_tokens", {kBoth, "[0]", "use min_tokens"}},
    {"n_indent", {kBoth, "[0]"}},
    {"t_max_predict_ms", {kBoth, "[0,-1]"}},
    {"t_max_prompt_ms", {kBoth, "[0,-1]"}},
    {"options", {kBoth, "[]", "set its members beside messages"}},
    {"lora", {kBoth}},
    {"lora_path", {kBoth}},
};

/// What a prompt is made of.
const OtherRows kPrompts = {
    {"documents", {kText}},
    {"chat_template", {kAll}},
    {"chat_template_kwargs", {kText}},
    {"template", {kAll}},
    {"raw", {kAll}},
    {"system", {kAll, "[]", "use a message with the role system"}},
    {"context", {kAll}},
    {"images", {kAll}},
    {"image_data", {kAll}},
    {"images_config", {kAll}},
    {"input_ids", {kAll, "[]", "use prompt"}},
    {"input_prefix", {kAll}},
    {"input_suffix", {kAll}},
    {"input_extra", {kAll}},
    {"prompt_embeds", {kAll}},
    {"task", {kAll}},
    {"truncation_side", {kAll, R"(["left"])"}},
    {"truncate", {kAll, "[]", "use truncate_prompt_tokens"}},
    {"shift", {kAll}},
    {"session_params", {kAll}},
    {"think", {kChat, R"(["none"])"}},
    {"web_search_options", {kChat, "[]", "", true}},
    {"modalities", {kChat, R"([["text"]])"}},
    {"audio", {kChat}},
    {"use_audio_in_video", {kChat}},
    {"kv_transfer_params", {kBoth}},
    {"ec_transfer_params", {kBoth}},
    {"bootstrap_host", {kBoth}},
    {"bootstrap_port", {kBoth}},
    {"bootstrap_room", {kBoth}},
};

/// What an answer should have in it.
const OtherRows kShapes = {
    {"prompt_logprobs", {kBoth}},
    {"logprob_token_ids", {kBoth}},
    {"n_probs", {kBoth, "[0]", "use logprobs"}},
    {"post_sampling_probs", {kBoth}},
    {"return_tokens", {kBoth, "[]", "use return_token_ids"}},
    {"return_prompt_token_ids", {kBoth, "[]", "use return_token_ids"}},
    {"return_prompt_text", {kBoth, "[]", "use /apply-template"}},
    {"return_hidden_states", {kBoth}},
    {"return_routed_experts", {kBoth}},
    {"return_cached_tokens_details", {kBoth}},
    {"return_meta_info", {kBoth}},
    {"return_token_strs", {kTokenize}},
    {"with_pieces", {kTokenize}},
    {"return_progress", {kBoth}},
    {"timings_per_token", {kBoth}},
    {"response_fields", {kBoth}},
};

/// Hints: identities, bookkeeping, scheduling, speed, and settings of what is not here, whose
/// main switch is above or whose absence changes nothing.
const std::set<std::string_view> kHints = {
    "user",
    "store",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prediction",
    "verbosity",
    "moderation",
    "reasoning_effort",
    "reasoning",
    "include_reasoning",
    "thinking",
    "enable_thinking",
    "thinking_budget",
    "thinking_token_budget",
    "separate_reasoning",
    "stream_reasoning",
    "reasoning_format",
    "reasoning_budget",
    "reasoning_budget_message",
    "reasoning_budget_tokens",
    "thinking_forced_open",
    "spaces_between_special_tokens",
    "guided_decoding_backend",
    "stream_interval",
    "session_id",
    "rid",
    "extra_key",
    "custom_labels",
    "ngram_corpus_id",
    "routed_dp_rank",
    "data_parallel_rank",
    "disagg_prefill_dp_rank",
    "routed_experts_start_len",
    "routed_experts_prompt_start",
    "return_token_offsets",
    "return_mm_kwargs",
    "media_io_kwargs",
    "mm_processor_kwargs",
    "max_dynamic_patch",
    "min_dynamic_patch",
    "cache_prompt",
    "id_slot",
    "n_cache_reuse",
    "n_keep",
    "num_keep",
    "n_discard",
    "repeat_last_n",
    "penalize_nl",
    "penalize_newline",
    "xtc_threshold",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dry_sequence_breakers",
    "mirostat_tau",
    "mirostat_eta",
    "dynatemp_exponent",
    "adaptive_decay",
    "speculative.n_max",
    "speculative.n_min",
    "speculative.p_min",
    "speculative.type",
    "backend_sampling",
    "sse_ping_interval",
    "keep_alive",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "low_vram",
};

/// false, null, "", [] and objects whose members are all null or false.
bool is_nothing(const JsonValue& value, bool empty_asks) {
    bool on = false;
    std::string text;
    if (value.is_null()) return true;
    if (value.get(on)) return !on;
    if (value.get(text)) return text.empty();
    if (value.is_array()) return !(value.elements().begin() != value.elements().end());
    if (!value.is_object() || empty_asks) return false;
    for (const auto& [key, member] : value.members()) {
        bool set = false;
        if (!member.is_null() && (!member.get(set) || set)) return false;
    }
    return true;
}

/// Whether a value says what `wanted` does, members that are null aside. `wanted` is one of the
/// constants above: neither deep nor long.
bool is_same(const JsonValue& value, const JsonValue& wanted) {
    double number = 0, wanted_number = 0;
    std::string text, wanted_text;
    if (wanted.get(wanted_number)) return value.get(number) && number == wanted_number;
    if (wanted.get(wanted_text)) return value.get(text) && text == wanted_text;
    if (wanted.is_array()) {
        auto a = value.elements().begin(), b = wanted.elements().begin();
        const auto a_end = value.elements().end(), b_end = wanted.elements().end();
        for (; a != a_end && b != b_end; ++a, ++b)
            if (!is_same(*a, *b)) return false;
        return value.is_array() && !(a != a_end) && !(b != b_end);
    }
    if (!wanted.is_object()) return value.raw() == wanted.raw();
    size_t n_same = 0, n_wanted = 0;
    for (const auto& [key, member] : value.members()) {
        if (member.is_null()) continue;
        const auto other = wanted.member(key);
        if (!other || !is_same(member, *other)) return false;
        n_same++;
    }
    for ([[maybe_unused]] const auto& member : wanted.members()) n_wanted++;
    return value.is_object() && n_same == n_wanted;
}

bool is_no_op(const JsonValue& value, const OtherRow& row) {
    if (is_nothing(value, row.empty_asks)) return true;
    JsonDocument no_ops;
    if (no_ops.parse(row.no_ops)) return false;
    for (const JsonValue wanted : no_ops.root().elements())
        if (is_same(value, wanted)) return true;
    return false;
}

}  // namespace

OtherField judge_other_field(std::string_view name, const JsonValue& value, unsigned scope,
                             std::string_view& instead) {
    if (kHints.contains(name)) return OtherField::harmless;
    for (const OtherRows* rows : {&kConstraints, &kSampling, &kPrompts, &kShapes}) {
        const auto found = rows->find(name);
        if (found == rows->end()) continue;
        if (!(found->second.scope & scope)) break;
        instead = found->second.instead;
        return is_no_op(value, found->second) ? OtherField::harmless : OtherField::refused;
    }
    return OtherField::unknown;
}

}  // namespace qwend
