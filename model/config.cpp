#include "model/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "model/gguf/files.h"
#include "model/gguf_config.h"
#include "model/head_config.h"
#include "model/json.h"
#include "model/quantized/scheme.h"
#include "model/rope_config.h"

namespace qwend {

namespace {

constexpr int64_t kMaxTokenId = 10'000'000;

/// A size; where config.json is silent, Qwen2Config's default, to which null is no number.
int size_or(const JsonFile& json, std::string_view field, int otherwise, int64_t high) {
    const bool is_silent = json.root().at_key(field).error() != simdjson::SUCCESS;
    return is_silent ? otherwise : int(json.integer(field, 1, high));
}

/// One id or a list of them; a negative one means none to those who write it.
std::vector<int32_t> token_ids(const JsonFile& json, std::string_view field) {
    std::vector<int32_t> ids;
    const auto element = json.find(field);
    if (!element) return ids;
    auto add = [&](simdjson::dom::element value) {
        int64_t id = 0;
        if (value.is_null()) return;
        if (value.get(id) != simdjson::SUCCESS || id > kMaxTokenId)
            json.fail(fmt::format("\"{}\": expected token ids, found {}", field,
                                  simdjson::minify(value)));
        if (id >= 0) ids.push_back(int32_t(id));
    };
    simdjson::dom::array list;
    if (element->get(list) == simdjson::SUCCESS)
        for (auto value : list) add(value);
    else
        add(*element);
    return ids;
}

// Of Qwen2Config, where config.json is silent.
constexpr int64_t kMaxWindowLayers = 28, kSlidingWindow = 4096;

/// Whether a layer attends to a window only, by transformers' rules: those from max_window_layers
/// on, unless layer_types says for each.
bool has_sliding_window(const JsonFile& json, const ModelConfig& config) {
    simdjson::dom::array types;
    if (const auto element = json.find("layer_types");
        element && element->get(types) == simdjson::SUCCESS) {
        for (auto value : types) {
            std::string_view type;
            if (value.get(type) != simdjson::SUCCESS ||
                (type != "full_attention" && type != "sliding_attention"))
                json.fail("\"layer_types\": expected full_attention and sliding_attention");
            if (type == "sliding_attention") return true;
        }
        return false;
    }
    const int64_t n_whole = json.has("max_window_layers")
                                ? json.integer("max_window_layers", 0, 1 << 20)
                                : kMaxWindowLayers;
    return json.boolean("use_sliding_window", false) && n_whole < config.n_layers;
}

/// Up to its length a window hides nothing: that much of the context is served.
void cut_to_window(const JsonFile& json, ModelConfig& config) {
    if (!has_sliding_window(json, config)) return;
    if (!json.boolean("use_sliding_window", false))
        json.fail("\"layer_types\" has sliding_attention, but use_sliding_window is not true");
    if (const auto element = find_last(json.root(), "sliding_window");
        !element && json.root().at_key("sliding_window").error() == simdjson::SUCCESS)
        return;  // null: there is none
    const int64_t window = json.has("sliding_window")
                               ? json.integer("sliding_window", 1, int64_t(1) << 40)
                               : kSlidingWindow;
    config.is_cut |= window < config.max_position;
    config.max_position = int(std::min<int64_t>(window, config.max_position));
}

void check_shapes(const JsonFile& json, const ModelConfig& config) {
    if (config.n_heads % config.n_kv_heads != 0)
        json.fail(
            fmt::format("expected num_attention_heads ({}) to be a multiple of "
                        "num_key_value_heads ({})",
                        config.n_heads, config.n_kv_heads));
    if (config.head_dim % 2 != 0)
        json.fail(fmt::format("expected an even head size, found {}", config.head_dim));
}

Activation read_activation(const JsonFile& json) {
    const auto element = json.find("hidden_act");
    if (!element) return Activation::silu;
    std::string_view name;
    if (element->get(name) == simdjson::SUCCESS)
        if (const auto activation = find_activation(name)) return *activation;
    std::string names;
    for (const auto& named : named_activations())
        fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : ", ", named.first);
    json.fail(fmt::format("\"hidden_act\": expected one of {}, found {}", names,
                          simdjson::minify(*element)));
}

/// The folder itself, so that a wrong path is told apart from a broken checkpoint.
void check_folder(const std::filesystem::path& dir) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::file_status status = fs::status(dir, error);
    if (status.type() == fs::file_type::not_found)
        throw LoadError(
            fmt::format("{}: no such folder; give --model a checkpoint folder, as "
                        "`git clone` of a Qwen2.5 repository leaves it, or a GGUF file",
                        dir.string()));
    if (status.type() == fs::file_type::none)
        throw LoadError(
            fmt::format("cannot read the folder {}: {}", dir.string(), error.message()));
    if (!fs::is_directory(status))
        throw LoadError(
            fmt::format("{}: expected a checkpoint folder with config.json, tokenizer.json and "
                        "model.safetensors, or a GGUF file",
                        dir.string()));
    if (!file_exists(dir / "config.json"))
        throw LoadError(fmt::format(
            "{}: no config.json; expected a Hugging Face checkpoint folder{}", dir.string(),
            fs::is_directory(dir / "snapshots", error)
                ? ", and this is a repository in the cache: give one of the folders in snapshots/"
                : ""));
}

/// A default for sampling: the number if it can be used, and what else the others take it for.
class Defaults {
  public:
    Defaults(const JsonFile& json, std::vector<std::string>& warnings)
        : json_(json), warnings_(warnings) {}

    /// Empty if absent, or, with a warning, if it is no number of the range.
    std::optional<double> number(const char* field, double low, double high) {
        const auto element = json_.find(field);
        if (!element) return std::nullopt;
        double value = 0;
        if (element->get(value) == simdjson::SUCCESS && value >= low && value <= high) return value;
        warn(field, fmt::format("a number from {} to {}", low, high), *element);
        return std::nullopt;
    }

    bool boolean(const char* field, bool otherwise) {
        const auto element = json_.find(field);
        bool value = otherwise;
        if (element && element->get(value) != simdjson::SUCCESS)
            warn(field, "true or false", *element);
        return value;
    }

  private:
    void warn(const char* field, std::string_view expected, simdjson::dom::element found) {
        warnings_.push_back(fmt::format("{}: \"{}\" is not used: expected {}, found {}",
                                        json_.name(), field, expected, simdjson::minify(found)));
    }

    const JsonFile& json_;
    std::vector<std::string>& warnings_;
};

GenerationDefaults read_generation_defaults(const JsonFile& json) {
    GenerationDefaults defaults;
    Defaults read(json, defaults.warnings);
    constexpr double kAny = 1e9;
    defaults.temperature = read.number("temperature", 0, 100);
    if (!read.boolean("do_sample", true)) defaults.temperature = 0.0f;
    // transformers and vLLM take the likeliest token alone for 0, and everything for 1 and above.
    if (const auto p = read.number("top_p", 0, kAny))
        defaults.top_p = float(std::clamp(*p, 1e-9, 1.0));
    defaults.min_p = read.number("min_p", 0, 1);
    // Everything: -1 in vLLM, 0 in transformers.
    if (const auto k = read.number("top_k", -1, kAny))
        defaults.top_k = int(std::clamp(*k, 0.0, double(kMaxTokenId)));
    defaults.repetition_penalty = read.number("repetition_penalty", 1e-3, 100);
    defaults.eos_token_ids = token_ids(json, "eos_token_id");
    return defaults;
}

}  // namespace

void read_model_numbers(const JsonFile& json, ModelConfig& config) {
    config.vocab_size = size_or(json, "vocab_size", 151936, kMaxTokenId);
    config.hidden_size = size_or(json, "hidden_size", 4096, 1 << 20);
    config.intermediate_size = size_or(json, "intermediate_size", 22016, 1 << 22);
    config.n_layers = size_or(json, "num_hidden_layers", 32, 4096);
    config.n_heads = size_or(json, "num_attention_heads", 32, 4096);
    const bool has_kv_heads =
        json.root().at_key("num_key_value_heads").error() || json.has("num_key_value_heads");
    config.n_kv_heads = has_kv_heads ? size_or(json, "num_key_value_heads", 32, 4096)
                                     : config.n_heads;  // null: every head has its own
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
    config.activation = read_activation(json);
    if (json.has("rms_norm_eps"))
        config.rms_norm_eps = float(json.number("rms_norm_eps", 1e-12, 1));
    read_rope(json, config);
    cut_to_window(json, config);
    config.eos_token_ids = token_ids(json, "eos_token_id");
    check_shapes(json, config);
}

ModelConfig load_model_config(const std::filesystem::path& model) {
    if (const auto file = find_gguf(model); !file.empty()) {
        const GgufModel opened = open_gguf(file);
        return gguf_config(opened.header, opened.files.tensors());
    }
    check_folder(model);
    const JsonFile json(model / "config.json");
    ModelConfig config;
    config.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
    read_head(json, model, config);
    if (auto scheme = read_quant_scheme(json, model))
        config.quantization = std::make_shared<const QuantScheme>(*std::move(scheme));
    read_model_numbers(json, config);
    return config;
}

GenerationDefaults load_generation_defaults(const std::filesystem::path& model) {
    if (const auto file = find_gguf(model); !file.empty())
        return read_generation_defaults(
            JsonFile(gguf_generation_json(read_gguf_header(file)), file.string()));
    const auto path = model / "generation_config.json";
    return file_exists(path) ? read_generation_defaults(JsonFile(path)) : GenerationDefaults();
}

int64_t count_parameters(const ModelConfig& config) {
    const int64_t hidden = config.hidden_size, head_dim = config.head_dim;
    const int64_t q = config.n_heads * head_dim, kv = config.n_kv_heads * head_dim;
    const int64_t attention = hidden * (q + 2 * kv) + (q + 2 * kv) + q * hidden;
    const int64_t mlp = 3 * hidden * config.intermediate_size;
    const int64_t norms = 2 * hidden;
    const int64_t embedding = config.vocab_size * hidden;
    return (config.tie_word_embeddings ? 1 : 2) * embedding + hidden +
           config.n_layers * (attention + mlp + norms);
}

}  // namespace qwend
