#include "model/head_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "model/file.h"

namespace qwend {

namespace {

constexpr int64_t kMaxLabels = 1 << 16;
constexpr int64_t kMaxTokenId = 10'000'000;

std::vector<std::string> architectures_of(const JsonFile& json) {
    std::vector<std::string> names;
    simdjson::dom::array list;
    const auto element = json.find("architectures");
    if (element && element->get(list) == simdjson::SUCCESS)
        for (auto value : list)
            if (std::string_view name; value.get(name) == simdjson::SUCCESS)
                names.emplace_back(name);
    return names;
}

/// The heads that are known here by their architecture's name.
std::optional<HeadKind> known_head(std::string_view architecture) {
    static constexpr std::pair<std::string_view, HeadKind> kHeads[] = {
        {"Qwen2ForCausalLM", HeadKind::text},
        {"Qwen2Model", HeadKind::none},
        {"Qwen2ForSequenceClassification", HeadKind::classes},
        {"Qwen2ForRewardModel", HeadKind::reward},
        {"Qwen2ForProcessRewardModel", HeadKind::process_reward},
    };
    const auto* const found =
        std::ranges::find(kHeads, architecture, [](const auto& named) { return named.first; });
    return found == std::end(kHeads) ? std::nullopt : std::optional(found->second);
}

/// By `architectures`, and where that names nothing that is known here by `model_type`, which is
/// all that transformers asks: the network is a Qwen2's then, and may have a head for text beside
/// its own.
void read_architecture(const JsonFile& json, ModelConfig& config) {
    const std::vector<std::string> names = architectures_of(json);
    for (const std::string& name : names)
        if (const auto head = known_head(name)) {
            config.head = *head;
            // What is saved without its head, but tied, has it: the embedding.
            if (config.head == HeadKind::none && config.tie_word_embeddings)
                config.head = HeadKind::text;
            return;
        }
    std::string_view type;
    if (const auto model_type = json.find("model_type")) (void)!model_type->get(type);
    if (type == "qwen2") {
        if (!names.empty()) config.other_architecture = names[0];
        return;
    }
    json.fail(fmt::format(
        "expected the architecture Qwen2ForCausalLM, found {}; qwend serves Qwen2 and Qwen2.5",
        !names.empty() ? std::string_view(names[0])
        : type.empty() ? "none"
                       : type));
}

/// The modeling_qwen.py that gte-Qwen2's repositories bring attends both ways, whether or not
/// config.json has kept is_causal.
bool is_gte(const JsonFile& json) {
    const auto element = json.find("auto_map");
    simdjson::dom::object map;
    if (!element || element->get(map) != simdjson::SUCCESS) return false;
    const auto model = find_last(map, "AutoModel");
    std::string_view name;
    return model && model->get(name) == simdjson::SUCCESS &&
           name.ends_with("modeling_qwen.Qwen2Model");
}

/// By their number, as the keys of id2label are.
std::vector<std::string> read_labels(const JsonFile& json) {
    const auto element = json.find("id2label");
    simdjson::dom::object map;
    if (!element) return {};
    if (element->get(map) != simdjson::SUCCESS)
        json.fail("\"id2label\": expected an object of names by number");
    std::vector<std::string> labels;
    for (const auto [key, value] : map) {
        int64_t id = -1;
        std::from_chars(key.data(), key.data() + key.size(), id);
        std::string_view label;
        if (id < 0 || id >= kMaxLabels || value.get(label) != simdjson::SUCCESS)
            json.fail(fmt::format("\"id2label\": expected names by number, found {}: {}", key,
                                  simdjson::minify(value)));
        if (size_t(id) >= labels.size()) labels.resize(size_t(id) + 1);
        labels[size_t(id)] = label;
    }
    return labels;
}

}  // namespace

void read_head(const JsonFile& json, const std::filesystem::path& dir, ModelConfig& config) {
    read_architecture(json, config);
    config.is_gte = is_gte(json);
    config.is_causal = json.boolean("is_causal", !config.is_gte);
    config.is_embedder = file_exists(dir / "modules.json");
    if (json.has("pad_token_id"))
        if (const int64_t id = json.integer("pad_token_id", -kMaxTokenId, kMaxTokenId); id >= 0)
            config.pad_token_id = int32_t(id);
    if (config.head != HeadKind::classes) return;
    config.labels = read_labels(json);
    std::string_view type;
    if (const auto element = json.find("problem_type")) {
        if (element->get(type) != simdjson::SUCCESS ||
            (type != "regression" && type != "single_label_classification" &&
             type != "multi_label_classification"))
            json.fail(
                fmt::format("\"problem_type\": expected regression, "
                            "single_label_classification or multi_label_classification, "
                            "found {}",
                            simdjson::minify(*element)));
        config.problem_type = type;
    }
}

}  // namespace qwend
