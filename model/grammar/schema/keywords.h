#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/json_document.h"

namespace qwend::grammar {

/// The keywords of JSON Schema that say which values are valid, and those that others depend on;
/// whatever else a schema has is an annotation.
enum class Keyword : uint8_t {
    additional_items,
    additional_properties,
    all_of,
    any_of,
    const_,
    contains,
    dependencies,
    dependent_required,
    dependent_schemas,
    dynamic_ref,
    else_,
    enum_,
    exclusive_maximum,
    exclusive_minimum,
    format,
    if_,
    items,
    max_contains,
    max_items,
    max_length,
    max_properties,
    maximum,
    min_contains,
    min_items,
    min_length,
    min_properties,
    minimum,
    multiple_of,
    not_,
    nullable,
    one_of,
    pattern,
    pattern_properties,
    prefix_items,
    properties,
    property_names,
    recursive_ref,
    ref,
    required,
    then,
    type,
    unevaluated_items,
    unevaluated_properties,
    unique_items,
};

std::optional<Keyword> find_keyword(std::string_view name);

/// What the value of that keyword has to be ("a number"), if this one is something else; otherwise
/// nullptr. The schemas within it are looked at by themselves.
const char* expected_value(Keyword keyword, const JsonValue& value);

}  // namespace qwend::grammar
