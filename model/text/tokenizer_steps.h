#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "model/json.h"

namespace qwend {

/// How the steps of a tokenizer.json are spelled, whatever they are steps of: an object with a
/// type, or a Sequence of them. All throw LoadError with the name of the file.

/// The text of a field; empty where it is none.
std::string_view text_at(simdjson::dom::object object, std::string_view field);

/// The same of one that the step cannot do without.
std::string text_needed(const JsonFile& json, simdjson::dom::object step, std::string_view name,
                        std::string_view field);

/// And of one that is a single character.
std::string character_needed(const JsonFile& json, simdjson::dom::object step,
                             std::string_view name, std::string_view field);

/// False or true; anything else is what it is otherwise.
bool flag_at(simdjson::dom::object object, std::string_view field, bool otherwise);

/// A count from `low` on; where there is none, `otherwise`.
size_t count_at(const JsonFile& json, simdjson::dom::object step, std::string_view name,
                std::string_view field, size_t low, size_t otherwise);

/// The regex of a step's pattern, or of text that is no regex.
std::string read_pattern(const JsonFile& json, simdjson::dom::object step, std::string_view name);

/// Calls `take(step)` for what is at `name`: an object, or a Sequence of them in its field `list`,
/// of which each may be one again.
template <class Take>
void for_each_step(const JsonFile& json, simdjson::dom::element element, std::string_view name,
                   std::string_view list, const Take& take) {
    simdjson::dom::object step;
    simdjson::dom::array steps;
    if (element.get(step)) json.fail(fmt::format("{}: expected an object", name));
    if (text_at(step, "type") != "Sequence") return take(step);
    if (step.at_key(list).get(steps)) json.fail(fmt::format("{}: expected {}", name, list));
    for (simdjson::dom::element inner : steps) for_each_step(json, inner, name, list, take);
}

/// The entry of a table of kinds that has the step's type.
template <class Kinds>
const auto& find_kind(const JsonFile& json, std::string_view name, const Kinds& kinds,
                      simdjson::dom::object step) {
    const std::string_view type = text_at(step, "type");
    std::string known;
    for (const auto& kind : kinds) {
        if (kind.type == type) return kind;
        const bool is_last = &kind == std::end(kinds) - 1;
        known += known.empty() ? "" : is_last ? " or " : ", ";
        known += kind.type;
    }
    json.fail(fmt::format("{}: expected {}, found \"{}\"", name, known, type));
}

}  // namespace qwend
