#include "model/embedder_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "model/file.h"
#include "model/json.h"

namespace qwend {

namespace {

constexpr int kMaxDimensions = 1 << 20;
constexpr size_t kMaxPrompts = 1024, kMaxPromptBytes = 16 << 10;

std::string string_or(const JsonFile& json, std::string_view field, std::string otherwise) {
    const auto element = json.find(field);
    if (!element) return otherwise;
    std::string_view text;
    if (element->get(text) != simdjson::SUCCESS)
        json.fail(
            fmt::format("\"{}\": expected a string, found {}", field, simdjson::minify(*element)));
    return std::string(text);
}

/// The last component: sentence-transformers has moved its classes from module to module.
std::string_view last_component(std::string_view name) {
    return name.substr(name.rfind('.') + 1);
}

Pooling pooling_by_name(const JsonFile& json, std::string_view name) {
    static constexpr std::pair<std::string_view, Pooling> kModes[] = {
        {"lasttoken", Pooling::last},
        {"cls", Pooling::first},
        {"mean", Pooling::mean},
        {"mean_sqrt_len_tokens", Pooling::mean_sqrt_len},
        {"weightedmean", Pooling::weighted_mean},
        {"max", Pooling::max},
    };
    const auto* const found =
        std::ranges::find(kModes, name, [](const auto& mode) { return mode.first; });
    if (found == std::end(kModes))
        json.fail(
            fmt::format("expected the pooling lasttoken, cls, mean, mean_sqrt_len_tokens, "
                        "weightedmean or max, found {}",
                        name));
    return found->second;
}

/// Older folders have a flag for each mode, and with none of them the mean is meant.
Pooling pooling_by_flags(const JsonFile& json) {
    static constexpr std::pair<const char*, Pooling> kFlags[] = {
        {"pooling_mode_cls_token", Pooling::first},
        {"pooling_mode_max_tokens", Pooling::max},
        {"pooling_mode_mean_tokens", Pooling::mean},
        {"pooling_mode_mean_sqrt_len_tokens", Pooling::mean_sqrt_len},
        {"pooling_mode_weightedmean_tokens", Pooling::weighted_mean},
        {"pooling_mode_lasttoken", Pooling::last},
    };
    std::vector<Pooling> found;
    for (const auto& [name, pooling] : kFlags)
        if (json.boolean(name, false)) found.push_back(pooling);
    if (found.size() > 1)
        json.fail("expected one way of pooling, found several, side by side in one vector");
    return found.empty() ? Pooling::mean : found[0];
}

void read_pooling(const std::filesystem::path& dir, EmbedderConfig& embedder) {
    const JsonFile json(dir / "config.json");
    embedder.pools_prompt = json.boolean("include_prompt", true);
    const auto mode = json.find("pooling_mode");
    simdjson::dom::array list;
    if (!mode) {
        embedder.pooling = pooling_by_flags(json);
    } else if (mode->get(list) == simdjson::SUCCESS) {
        std::string_view name;
        if (list.size() != 1 || list.at(0).get(name) != simdjson::SUCCESS)
            json.fail("\"pooling_mode\": expected one, found several, side by side in one vector");
        embedder.pooling = pooling_by_name(json, name);
    } else {
        embedder.pooling = pooling_by_name(json, string_or(json, "pooling_mode", ""));
    }
}

/// A class of torch's, by its name: "torch.nn.modules.activation.Tanh".
Activation read_dense_activation(const JsonFile& json) {
    static constexpr std::pair<std::string_view, Activation> kClasses[] = {
        {"Identity", Activation::linear}, {"Tanh", Activation::tanh}, {"ReLU", Activation::relu},
        {"Sigmoid", Activation::sigmoid}, {"GELU", Activation::gelu}, {"SiLU", Activation::silu},
    };
    // Dense's own default.
    const std::string name = string_or(json, "activation_function", "torch.nn.Tanh");
    const auto* const found = std::ranges::find(kClasses, last_component(name),
                                                [](const auto& known) { return known.first; });
    if (found == std::end(kClasses))
        json.fail(
            fmt::format("\"activation_function\": expected Identity, Tanh, ReLU, Sigmoid, "
                        "GELU or SiLU, found {}",
                        name));
    return found->second;
}

DenseModule read_dense(const std::filesystem::path& dir) {
    const JsonFile json(dir / "config.json");
    DenseModule dense;
    dense.dir = dir;
    dense.n_in = int(json.integer("in_features", 1, kMaxDimensions));
    dense.n_out = int(json.integer("out_features", 1, kMaxDimensions));
    dense.has_bias = json.boolean("bias", true);
    dense.activation = read_dense_activation(json);
    return dense;
}

void read_prompts(const std::filesystem::path& dir, EmbedderConfig& embedder) {
    const auto path = dir / "config_sentence_transformers.json";
    if (!file_exists(path)) return;
    const JsonFile json(path);
    simdjson::dom::object prompts;
    if (const auto element = json.find("prompts")) {
        if (element->get(prompts) != simdjson::SUCCESS || prompts.size() > kMaxPrompts)
            json.fail("\"prompts\": expected an object of texts by name");
        for (const auto [name, value] : prompts) {
            std::string_view text;
            if (value.get(text) != simdjson::SUCCESS || text.size() > kMaxPromptBytes)
                json.fail(fmt::format("\"prompts\": expected a text for {}", name));
            embedder.prompts.emplace(name, text);
        }
    }
    const std::string name = string_or(json, "default_prompt_name", "");
    if (name.empty()) return;
    const auto found = embedder.prompts.find(name);
    if (found == embedder.prompts.end())
        json.fail(fmt::format("\"default_prompt_name\": no prompt is named {}", name));
    embedder.default_prompt = found->second;
}

/// What becomes of a text before it is tokens. Versions from 5 on write how the model takes its
/// inputs: where messages are among them, every text is made one.
void read_inputs(const std::filesystem::path& dir, EmbedderConfig& embedder) {
    const auto path = dir / "sentence_bert_config.json";
    if (!file_exists(path)) return;
    const JsonFile json(path);
    if (json.has("max_seq_length"))
        embedder.max_tokens = int(json.integer("max_seq_length", 1, kMaxDimensions));
    simdjson::dom::object modalities;
    if (const auto element = json.find("modality_config");
        element && element->get(modalities) == simdjson::SUCCESS)
        embedder.renders_chat = find_last(modalities, "message").has_value();
}

/// modules.json is a list, unlike every other file: read as the member of an object.
JsonFile read_module_list(const std::filesystem::path& path) {
    return JsonFile("{\"modules\":" + read_file(path) + "}", path.string());
}

void read_module(const JsonFile& json, const std::filesystem::path& dir, std::string_view type,
                 EmbedderConfig& embedder) {
    const std::string_view kind = last_component(type);
    if (kind == "Transformer") {
        std::error_code ignored;
        if (!std::filesystem::equivalent(dir, std::filesystem::path(json.name()).parent_path(),
                                         ignored))
            json.fail(fmt::format("expected the model beside modules.json, found it in {}",
                                  dir.filename().string()));
    } else if (kind == "Pooling") {
        read_pooling(dir, embedder);
    } else if (kind == "Normalize") {
        embedder.normalizes = true;
    } else if (kind == "Dense") {
        embedder.dense.push_back(read_dense(dir));
    } else {
        json.fail(fmt::format(
            "expected the modules Transformer, Pooling, Dense and Normalize, found {}", type));
    }
}

void read_modules(const std::filesystem::path& dir, EmbedderConfig& embedder) {
    const JsonFile json = read_module_list(dir / "modules.json");
    simdjson::dom::array modules;
    if (json.root().at_key("modules").get(modules) != simdjson::SUCCESS)
        json.fail("expected a list of modules");
    embedder.normalizes = false;
    embedder.pooling = Pooling::mean;
    for (auto module : modules) {
        std::string_view type, path;
        if (module["type"].get(type) != simdjson::SUCCESS ||
            module["path"].get(path) != simdjson::SUCCESS || path.find("..") != path.npos)
            json.fail("expected modules with a type and a path within the folder");
        read_module(json, path.empty() ? dir : dir / path, type, embedder);
    }
}

/// Each takes what the one before it gives.
void check_dense(const std::filesystem::path& dir, int n_in, const EmbedderConfig& embedder) {
    for (const DenseModule& dense : embedder.dense) {
        if (dense.n_in != n_in)
            throw LoadError(fmt::format("{}: {} expects vectors of {} dimensions, found {}",
                                        dir.string(), dense.dir.filename().string(), dense.n_in,
                                        n_in));
        n_in = dense.n_out;
    }
}

}  // namespace

EmbedderConfig load_embedder_config(const std::filesystem::path& dir, const ModelConfig& config) {
    EmbedderConfig embedder;
    embedder.appends_end = config.is_gte;
    if (!config.is_embedder) return embedder;
    read_modules(dir, embedder);
    read_prompts(dir, embedder);
    read_inputs(dir, embedder);
    check_dense(dir, config.hidden_size, embedder);
    return embedder;
}

}  // namespace qwend
