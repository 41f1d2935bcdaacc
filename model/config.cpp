#include "model/config.h"

#include <fmt/core.h>

#include "model/json.h"

namespace qwend {

namespace {

constexpr int64_t kMaxTokenId = 10'000'000;

void check_architecture(const JsonFile& json) {
    simdjson::dom::array names;
    std::string found = "none";
    if (json.root().at_key("architectures").get(names) == simdjson::SUCCESS && names.size() > 0) {
        std::string_view name;
        if (names.at(0).get(name) == simdjson::SUCCESS) found = name;
    }
    if (found != "Qwen2ForCausalLM")
        json.fail(fmt::format(
            "expected the architecture Qwen2ForCausalLM, found {}; qwend serves Qwen2 and Qwen2.5",
            found));
}

std::vector<int32_t> token_ids(const JsonFile& json, std::string_view field) {
    std::vector<int32_t> ids;
    simdjson::dom::element element;
    if (!json.has(field)) return ids;
    auto add = [&](simdjson::dom::element value) {
        int64_t id = 0;
        if (value.get(id) != simdjson::SUCCESS || id < 0 || id > kMaxTokenId)
            json.fail(fmt::format("\"{}\": expected token ids, found {}", field,
                                  simdjson::minify(value)));
        ids.push_back(int32_t(id));
    };
    element = json.root().at_key(field).value();
    simdjson::dom::array list;
    if (element.get(list) == simdjson::SUCCESS)
        for (auto value : list) add(value);
    else
        add(element);
    return ids;
}

std::optional<YarnScaling> rope_scaling(const JsonFile& json) {
    const char* field = json.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
    if (!json.has(field)) return std::nullopt;
    simdjson::dom::object scaling;
    if (json.root().at_key(field).get(scaling) != simdjson::SUCCESS)
        json.fail("\"rope_scaling\": expected an object or null");
    std::string_view type = "none";
    if (scaling.at_key("rope_type").get(type) != simdjson::SUCCESS)
        (void)!scaling.at_key("type").get(type);
    if (type == "default") return std::nullopt;
    if (type != "yarn")
        json.fail(fmt::format("\"rope_scaling\": expected the type yarn, found {}", type));
    double factor = 0;
    int64_t original = 0;
    if (scaling.at_key("factor").get(factor) != simdjson::SUCCESS || !(factor >= 1) || factor > 64)
        json.fail("\"rope_scaling.factor\": expected a number from 1 to 64");
    if (scaling.at_key("original_max_position_embeddings").get(original) != simdjson::SUCCESS ||
        original < 1 || original > (1 << 24))
        json.fail("\"rope_scaling.original_max_position_embeddings\": expected a token count");
    return YarnScaling{float(factor), int(original)};
}

/// Older folders have `rope_theta`, newer ones keep it in `rope_parameters`.
float rope_theta(const JsonFile& json) {
    if (json.has("rope_theta")) return float(json.number("rope_theta", 1, 1e12));
    simdjson::dom::object parameters;
    double theta = 0;
    if (json.root().at_key("rope_parameters").get(parameters) ||
        parameters.at_key("rope_theta").get(theta) || !(theta >= 1 && theta <= 1e12))
        json.fail("expected \"rope_theta\", alone or in \"rope_parameters\"");
    return float(theta);
}

void check_shapes(const JsonFile& json, const ModelConfig& config) {
    if (config.n_heads % config.n_kv_heads != 0)
        json.fail(
            fmt::format("expected num_attention_heads ({}) to be a multiple of "
                        "num_key_value_heads ({})",
                        config.n_heads, config.n_kv_heads));
    if (config.head_dim % 2 != 0)
        json.fail(fmt::format("expected an even head size, found {}", config.head_dim));
    if (json.boolean("use_sliding_window", false))
        json.fail("\"use_sliding_window\" is true: sliding-window attention is not supported");
    std::string_view activation;
    if (json.root().at_key("hidden_act").get(activation) == simdjson::SUCCESS &&
        activation != "silu")
        json.fail(fmt::format("\"hidden_act\": expected silu, found {}", activation));
}

/// The folder itself, so that a wrong path is told apart from a broken checkpoint.
void check_folder(const std::filesystem::path& dir) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (!fs::exists(dir, ignored))
        throw LoadError(
            fmt::format("{}: no such folder; give --model a checkpoint folder, as "
                        "`git clone` of a Qwen2.5 repository leaves it",
                        dir.string()));
    if (!fs::is_directory(dir, ignored))
        throw LoadError(
            fmt::format("{} is a file; expected a checkpoint folder with config.json, "
                        "tokenizer.json and model.safetensors",
                        dir.string()));
    if (!fs::exists(dir / "config.json", ignored))
        throw LoadError(fmt::format("{}: no config.json; expected a Hugging Face checkpoint folder",
                                    dir.string()));
}

}  // namespace

ModelConfig load_model_config(const std::filesystem::path& dir) {
    check_folder(dir);
    JsonFile json(dir / "config.json");
    check_architecture(json);
    ModelConfig config;
    config.vocab_size = int(json.integer("vocab_size", 1, kMaxTokenId));
    config.hidden_size = int(json.integer("hidden_size", 1, 1 << 20));
    config.intermediate_size = int(json.integer("intermediate_size", 1, 1 << 22));
    config.n_layers = int(json.integer("num_hidden_layers", 1, 4096));
    config.n_heads = int(json.integer("num_attention_heads", 1, 4096));
    config.n_kv_heads = json.has("num_key_value_heads")
                            ? int(json.integer("num_key_value_heads", 1, 4096))
                            : config.n_heads;
    if (json.has("head_dim")) {
        config.head_dim = int(json.integer("head_dim", 2, 1024));
    } else {
        if (config.hidden_size % config.n_heads != 0)
            json.fail(
                fmt::format("expected hidden_size ({}) to be a multiple of "
                            "num_attention_heads ({})",
                            config.hidden_size, config.n_heads));
        config.head_dim = config.hidden_size / config.n_heads;
    }
    config.rms_norm_eps = float(json.number("rms_norm_eps", 1e-12, 1));
    config.rope_theta = rope_theta(json);
    config.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
    config.yarn = rope_scaling(json);
    config.max_position = int(json.integer("max_position_embeddings", 1, 1 << 24));
    // Qwen2.5 asks for YaRN by adding rope_scaling alone: the limit named beside it is the
    // original.
    if (config.yarn && config.max_position <= config.yarn->original_max_position)
        config.max_position = int(config.yarn->factor * float(config.yarn->original_max_position));
    config.eos_token_ids = token_ids(json, "eos_token_id");
    check_shapes(json, config);
    return config;
}

GenerationDefaults load_generation_defaults(const std::filesystem::path& dir) {
    GenerationDefaults defaults;
    if (!std::filesystem::exists(dir / "generation_config.json")) return defaults;
    JsonFile json(dir / "generation_config.json");
    auto number = [&](const char* field, double low, double high) -> std::optional<float> {
        if (!json.has(field)) return std::nullopt;
        return float(json.number(field, low, high));
    };
    defaults.temperature = number("temperature", 0, 100);
    if (json.has("do_sample") && !json.boolean("do_sample", false)) defaults.temperature = 0.0f;
    defaults.top_p = number("top_p", 1e-9, 1);
    defaults.min_p = number("min_p", 0, 1);
    if (json.has("top_k")) defaults.top_k = int(json.integer("top_k", 0, kMaxTokenId));
    defaults.repetition_penalty = number("repetition_penalty", 1e-9, 100);
    defaults.eos_token_ids = token_ids(json, "eos_token_id");
    return defaults;
}

}  // namespace qwend
