#include "model/rope_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace qwend {

namespace {

constexpr int kMaxPosition = 1 << 24;  // tokens
constexpr double kDefaultTheta = 10000, kMaxFactor = 4096;
// Of rope_theta: at 1 all dimensions would turn alike, and YaRN divides by its logarithm.
constexpr double kMinTheta = 2, kMaxTheta = 1e12;

/// The object with the parameters, whatever its name, and errors that say it.
class RopeFields {
  public:
    explicit RopeFields(const JsonFile& json) : json_(json) {
        for (const char* name : {"rope_scaling", "rope_parameters"}) {
            const auto element = json.find(name);
            if (!element || (fields_ && fields_->size() > 0)) continue;
            simdjson::dom::object object;
            if (element->get(object) != simdjson::SUCCESS)
                json.fail(fmt::format("\"{}\": expected an object or null, found {}", name,
                                      simdjson::minify(*element)));
            name_ = name, fields_ = object;
        }
    }

    std::optional<simdjson::dom::element> find(std::string_view field) const {
        return fields_ ? find_last(*fields_, field) : std::nullopt;
    }

    [[noreturn]] void fail(std::string_view field, std::string_view what) const {
        json_.fail(fmt::format("\"{}.{}\": {}", name_, field, what));
    }

    std::optional<double> number(std::string_view field, double low, double high) const {
        const auto element = find(field);
        if (!element) return std::nullopt;
        double value = 0;
        if (element->get(value) != simdjson::SUCCESS || !(value >= low && value <= high))
            fail(field, fmt::format("expected a number from {} to {}, found {}", low, high,
                                    simdjson::minify(*element)));
        return value;
    }

    std::vector<float> numbers(std::string_view field, double low, double high) const {
        const auto element = find(field);
        simdjson::dom::array list;
        if (!element || element->get(list) != simdjson::SUCCESS)
            fail(field, "expected a list of numbers");
        std::vector<float> values;
        for (auto each : list) {
            double value = 0;
            if (each.get(value) != simdjson::SUCCESS || !(value >= low && value <= high))
                fail(field, fmt::format("expected numbers from {} to {}", low, high));
            values.push_back(float(value));
        }
        return values;
    }

    /// A number of tokens.
    std::optional<int> positions(std::string_view field) const {
        const auto value = number(field, 1, kMaxPosition);
        if (!value) return std::nullopt;
        if (*value != std::floor(*value))
            fail(field, fmt::format("expected an integer, found {}", *value));
        return int(*value);
    }

    bool boolean(std::string_view field, bool otherwise) const {
        const auto element = find(field);
        bool value = otherwise;
        if (element && element->get(value) != simdjson::SUCCESS)
            fail(field,
                 fmt::format("expected true or false, found {}", simdjson::minify(*element)));
        return value;
    }

    std::string type() const {
        if (!fields_) return "default";
        for (auto [name, value] : *fields_)
            if (value.is_object()) fail(name, "an object for each type of layer is not supported");
        auto element = find("rope_type");
        if (!element) element = find("type");
        std::string_view name = "default";
        if (element && element->get(name) != simdjson::SUCCESS)
            fail("rope_type", fmt::format("expected a name, found {}", simdjson::minify(*element)));
        return std::string(name);
    }

  private:
    const JsonFile& json_;
    const char* name_ = "rope_scaling";
    std::optional<simdjson::dom::object> fields_;
};

/// A limit that is beside the object counts before the one in it, and that before the model's own.
YarnScaling read_yarn(const JsonFile& json, const RopeFields& rope, int max_position) {
    YarnScaling yarn;
    yarn.original_max_position =
        json.has("original_max_position_embeddings")
            ? int(json.integer("original_max_position_embeddings", 1, kMaxPosition))
            : rope.positions("original_max_position_embeddings").value_or(max_position);
    yarn.factor = float(rope.number("factor", 1e-3, kMaxFactor)
                            .value_or(double(max_position) / yarn.original_max_position));
    auto optional = [&](const char* field, double low) {
        const auto value = rope.number(field, low, 1e6);
        return value ? std::optional(float(*value)) : std::nullopt;
    };
    // Zero is what transformers takes for absent, but for attention_factor.
    auto or_else = [&](const char* field, float otherwise) {
        const float value = optional(field, 0).value_or(0);
        return value != 0 ? value : otherwise;
    };
    yarn.beta_fast = or_else("beta_fast", yarn.beta_fast);
    yarn.beta_slow = or_else("beta_slow", yarn.beta_slow);
    yarn.attention_factor = optional("attention_factor", 1e-6);
    // Not below 0: what the two come to, cos and sin are multiplied with and divided by.
    yarn.mscale = optional("mscale", 0).value_or(0);
    yarn.mscale_all_dim = optional("mscale_all_dim", 0).value_or(0);
    yarn.truncate = rope.boolean("truncate", true);
    return yarn;
}

Llama3Scaling read_llama3(const RopeFields& rope, int max_position) {
    auto needed = [&](const char* field, double low, double high) {
        const auto value = rope.number(field, low, high);
        if (!value) rope.fail(field, "expected a number, found none");
        return float(*value);
    };
    Llama3Scaling llama3{
        .factor = needed("factor", 1, kMaxFactor),
        .low_freq_factor = needed("low_freq_factor", 1e-3, 1e6),
        .high_freq_factor = needed("high_freq_factor", 1e-3, 1e6),
        .original_max_position =
            rope.positions("original_max_position_embeddings").value_or(max_position)};
    if (llama3.high_freq_factor <= llama3.low_freq_factor)
        rope.fail("high_freq_factor", "expected more than low_freq_factor");
    return llama3;
}

LongRopeScaling read_longrope(const JsonFile& json, const RopeFields& rope, ModelConfig& config) {
    const int original =
        json.has("original_max_position_embeddings")
            ? int(json.integer("original_max_position_embeddings", 1, kMaxPosition))
            : rope.positions("original_max_position_embeddings").value_or(config.max_position);
    const double factor =
        rope.number("factor", 1e-3, kMaxFactor).value_or(double(config.max_position) / original);
    LongRopeScaling longrope{.short_factor = rope.numbers("short_factor", 1e-3, 1e6)};
    if (longrope.short_factor.size() != size_t(config.head_dim) / 2)
        rope.fail("short_factor", fmt::format("expected {} numbers, found {}", config.head_dim / 2,
                                              longrope.short_factor.size()));
    const double scale = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
    longrope.attention_factor = float(rope.number("attention_factor", 1e-6, 1e6).value_or(scale));
    config.is_cut |= original < config.max_position;
    config.max_position = std::min(original, config.max_position);
    return longrope;
}

/// Tokens of context times a factor, within the limit of this program.
int extended(int max_position, float factor) {
    return int(std::clamp(double(max_position) * factor, 1.0, double(kMaxPosition)));
}

}  // namespace

void read_rope(const JsonFile& json, ModelConfig& config) {
    config.max_position = json.has("max_position_embeddings")
                              ? int(json.integer("max_position_embeddings", 1, kMaxPosition))
                              : 32768;  // Qwen2Config's default
    const RopeFields rope(json);
    const double theta =
        json.has("rope_theta") ? json.number("rope_theta", kMinTheta, kMaxTheta) : kDefaultTheta;
    config.rope_theta = float(rope.number("rope_theta", kMinTheta, kMaxTheta).value_or(theta));
    const std::string type = rope.type();
    // With mrope, of Qwen2-VL, each part of a head has positions of its own; those of text are all
    // the same.
    if (type == "default" || type == "mrope") return;
    const double rotated =
        rope.number("partial_rotary_factor", 0, 1)
            .value_or(json.has("partial_rotary_factor") ? json.number("partial_rotary_factor", 0, 1)
                                                        : 1);
    if (type == "proportional") {
        config.n_rotated = int(rotated * config.head_dim / 2);
        config.rope_linear_factor = float(rope.number("factor", 1e-3, kMaxFactor).value_or(1));
        return;
    }
    if (rotated != 1) rope.fail("partial_rotary_factor", "expected 1: Qwen2 rotates whole heads");
    if (type == "linear") {
        if (!rope.find("factor")) rope.fail("factor", "expected a number, found none");
        config.rope_linear_factor = float(*rope.number("factor", 1e-3, kMaxFactor));
        config.max_position = extended(config.max_position, config.rope_linear_factor);
    } else if (type == "yarn") {
        config.yarn = read_yarn(json, rope, config.max_position);
        // Qwen2.5 asks for YaRN by adding rope_scaling alone: the limit named beside it is the
        // original.
        if (config.yarn->factor > 1 && config.max_position <= config.yarn->original_max_position)
            config.max_position = extended(config.yarn->original_max_position, config.yarn->factor);
    } else if (type == "llama3") {
        config.llama3 = read_llama3(rope, config.max_position);
    } else if (type == "longrope" || type == "su") {  // as it was called at first
        config.longrope = read_longrope(json, rope, config);
    } else if (type != "dynamic") {  // which changes what is beyond max_position, and is not served
        rope.fail("rope_type",
                  fmt::format("expected default, linear, dynamic, yarn, longrope, llama3 or "
                              "proportional, found {}",
                              type));
    }
}

}  // namespace qwend
