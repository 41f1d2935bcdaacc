#include "model/gguf_config.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/gguf/blocks.h"
#include "model/json.h"
#include "model/quantized/scheme.h"

namespace qwend {

namespace {

constexpr int64_t kMaxTokenId = 10'000'000;
constexpr std::string_view kArchitecture = "qwen2";

/// The fields of config.json by the keys of the metadata, so that all else reads one form.
class ConfigText {
  public:
    explicit ConfigText(const GgufHeader& header) : header_(header) {}

    void add(std::string_view field, std::string_view json) {
        text_ += fmt::format("{}\"{}\":{}", text_.empty() ? "{" : ",", field, json);
    }
    void integer(std::string_view key, std::string_view field, int64_t high) {
        if (const auto value = header_.integer(name(key), 1, high))
            add(field, std::to_string(*value));
    }
    void needed_integer(std::string_view key, std::string_view field, int64_t high) {
        if (!header_.has(name(key)))
            header_.fail(fmt::format("expected the key {}, found none", name(key)));
        integer(key, field, high);
    }
    bool number(std::string_view key, std::string_view field) {
        const auto value = header_.number(name(key));
        if (value) add(field, fmt::format("{}", *value));
        return value.has_value();
    }
    /// What would change the mathematics in a way that is not served, unless it is that.
    void refuse_unless(std::string_view key, double neutral) const {
        const auto value = header_.number(name(key));
        if (value && *value != neutral)
            header_.fail(fmt::format("{}: expected {}, found {}", name(key), neutral, *value));
    }
    std::string text() const { return text_ + "}"; }

    static std::string name(std::string_view key) {
        return fmt::format("{}.{}", kArchitecture, key);
    }

  private:
    const GgufHeader& header_;
    std::string text_;
};

void check_architecture(const GgufHeader& header) {
    if (const auto type = header.string("general.type"); type && *type != "model")
        header.fail(fmt::format("general.type: expected a model, found {}", *type));
    const auto found = header.string("general.architecture");
    if (!found || *found != kArchitecture)
        header.fail(fmt::format(
            "general.architecture: expected {}, found {}; qwend serves Qwen2 and Qwen2.5",
            kArchitecture, found ? *found : "none"));
    const bool attends_both_ways = !header.boolean("qwen2.attention.causal").value_or(true);
    if (attends_both_ways || header.integer("qwen2.pooling_type", 0, 255).value_or(0) != 0)
        header.fail(
            "it is a model that makes vectors, which are served from the folder that it was "
            "converted from");
}

void add_rope_scaling(const GgufHeader& header, ConfigText& config) {
    constexpr std::string_view kScaling = "rope.scaling.";
    const auto key = [&](std::string_view end) { return std::string(kScaling).append(end); };
    const auto type = header.string(ConfigText::name(key("type"))).value_or("none");
    if (type == "none") return;
    ConfigText scaling(header);
    std::string quoted = "\"";
    for (char c : type) quoted += c >= 'a' && c <= 'z' ? c : '?';
    scaling.add("rope_type", quoted + "\"");
    scaling.number(key("factor"), "factor");
    scaling.integer(key("original_context_length"), "original_max_position_embeddings", 1 << 24);
    scaling.number(key("yarn_beta_fast"), "beta_fast");
    scaling.number(key("yarn_beta_slow"), "beta_slow");
    for (const char* other : {"attn_factor", "yarn_attn_factor", "yarn_ext_factor"})
        scaling.refuse_unless(key(other), 1);
    scaling.refuse_unless(key("yarn_log_multiplier"), 0);
    config.add("rope_scaling", scaling.text());
}

int64_t embedding_rows(const GgufHeader& header, const StoredTensors& tensors) {
    const auto found = tensors.find("model.embed_tokens.weight");
    if (found == tensors.end())
        header.fail("tensor token_embd.weight: expected a matrix, found no such tensor");
    return found->second.shape[0];
}

/// The ends of a text: the model's own, that of a turn, and what Qwen's models for chats have as a
/// second one in generation_config.json, of which the metadata say nothing.
std::vector<int64_t> end_ids(const GgufHeader& header) {
    constexpr std::string_view kTurnEnd = "<|im_end|>", kTextEnd = "<|endoftext|>";
    std::vector<int64_t> ids;
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
        if (const auto id = header.integer(key, 0, kMaxTokenId);
            id && std::ranges::find(ids, *id) == ids.end())
            ids.push_back(*id);
    const auto tokens = header.strings("tokenizer.ggml.tokens");
    const bool ends_turns =
        tokens && std::ranges::any_of(ids, [&](int64_t id) {
            return size_t(id) < tokens->size() && (*tokens)[size_t(id)] == kTurnEnd;
        });
    if (!ends_turns) return ids;
    if (const auto other = std::ranges::find(*tokens, kTextEnd); other != tokens->end())
        if (const int64_t id = other - tokens->begin(); std::ranges::find(ids, id) == ids.end())
            ids.push_back(id);
    return ids;
}

/// "GGUF, Q4_K and Q6_K, 4.9 bits a weight"; empty: all matrices are numbers.
std::shared_ptr<const QuantScheme> scheme_of(const GgufHeader& header,
                                             const StoredTensors& tensors) {
    std::vector<std::pair<size_t, std::string>> types;  // bytes of each
    double n_bits = 0, n_weights = 0;
    for (const auto& [name, tensor] : tensors) {
        if (tensor.shape.size() != 2) continue;
        n_bits += 8 * double(tensor.n_bytes);
        n_weights += double(tensor.shape[0]) * double(tensor.shape[1]);
        auto found =
            std::ranges::find(types, tensor.dtype_name, &decltype(types)::value_type::second);
        if (found == types.end()) found = types.insert(found, {0, tensor.dtype_name});
        found->first += tensor.n_bytes;
    }
    if (std::ranges::none_of(types, [](auto& type) { return find_block_format(type.second); }))
        return nullptr;
    std::ranges::sort(types, std::greater());
    std::vector<std::string> names;
    for (auto& type : types) names.push_back(type.second);
    QuantScheme scheme;
    scheme.source = header.file();
    scheme.method = "GGUF";
    scheme.packing = CodePacking::blocks, scheme.group = 32;
    scheme.description = fmt::format("GGUF, {}, {:.1f} bits a weight", fmt::join(names, " and "),
                                     n_bits / n_weights);
    return std::make_shared<const QuantScheme>(std::move(scheme));
}

}  // namespace

ModelConfig gguf_config(const GgufHeader& header, const StoredTensors& tensors) {
    check_architecture(header);
    ConfigText text(header);
    text.add("vocab_size", std::to_string(embedding_rows(header, tensors)));
    text.needed_integer("context_length", "max_position_embeddings", 1 << 24);
    text.needed_integer("embedding_length", "hidden_size", 1 << 20);
    text.needed_integer("feed_forward_length", "intermediate_size", 1 << 22);
    text.needed_integer("block_count", "num_hidden_layers", 4096);
    text.needed_integer("attention.head_count", "num_attention_heads", 4096);
    text.integer("attention.head_count_kv", "num_key_value_heads", 4096);
    if (!header.has("qwen2.attention.head_count_kv")) text.add("num_key_value_heads", "null");
    text.integer("attention.key_length", "head_dim", 1024);
    text.number("attention.layer_norm_rms_epsilon", "rms_norm_eps");
    text.number("rope.freq_base", "rope_theta");
    add_rope_scaling(header, text);
    if (header.integer("qwen2.attention.sliding_window", 0, INT64_MAX).value_or(0) > 0) {
        text.integer("attention.sliding_window", "sliding_window", INT64_MAX);
        text.add("use_sliding_window", "true"), text.add("max_window_layers", "0");
    }
    text.add("eos_token_id", fmt::format("[{}]", fmt::join(end_ids(header), ",")));
    ModelConfig config;
    config.is_gguf = true;
    config.tie_word_embeddings = !tensors.contains("lm_head.weight");
    config.quantization = scheme_of(header, tensors);
    if (const auto id = header.integer("tokenizer.ggml.padding_token_id", 0, kMaxTokenId))
        config.pad_token_id = int32_t(*id);
    read_model_numbers(JsonFile(text.text(), header.file()), config);
    for (const char* key : {"rope.dimension_count", "attention.value_length"})
        text.refuse_unless(key, config.head_dim);
    return config;
}

std::string gguf_generation_json(const GgufHeader& header) {
    std::string text;
    for (auto [key, field] : {std::pair{"temp", "temperature"},
                              {"top_p", "top_p"},
                              {"top_k", "top_k"},
                              {"min_p", "min_p"},
                              {"penalty_repeat", "repetition_penalty"}})
        if (const auto value = header.number(fmt::format("general.sampling.{}", key)))
            text += fmt::format("{}\"{}\":{}", text.empty() ? "{" : ",", field, *value);
    return text.empty() ? "{}" : text + "}";
}

}  // namespace qwend
