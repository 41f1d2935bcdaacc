#include "model/grammar/schema/keywords.h"

#include <algorithm>
#include <array>
#include <string>

#include "model/grammar/numbers.h"

namespace qwend::grammar {

namespace {

/// What a keyword's value is.
enum class Value : uint8_t {
    any,
    array,
    boolean,
    count,
    dependencies,
    items,
    lists_by_name,
    names,
    number,
    number_above_0,
    number_or_flag,  // which draft 4 has beside the bound
    prefix,
    schema,
    schemas,
    schemas_by_name,
    string,
    types,
};

struct Named {
    std::string_view name;
    Keyword keyword;
    Value value;
};

constexpr std::array kKeywords = std::to_array<Named>({
    {"$dynamicRef", Keyword::dynamic_ref, Value::string},
    {"$recursiveRef", Keyword::recursive_ref, Value::string},
    {"$ref", Keyword::ref, Value::string},
    {"additionalItems", Keyword::additional_items, Value::schema},
    {"additionalProperties", Keyword::additional_properties, Value::schema},
    {"allOf", Keyword::all_of, Value::schemas},
    {"anyOf", Keyword::any_of, Value::schemas},
    {"const", Keyword::const_, Value::any},
    {"contains", Keyword::contains, Value::schema},
    {"dependencies", Keyword::dependencies, Value::dependencies},
    {"dependentRequired", Keyword::dependent_required, Value::lists_by_name},
    {"dependentSchemas", Keyword::dependent_schemas, Value::schemas_by_name},
    {"else", Keyword::else_, Value::schema},
    {"enum", Keyword::enum_, Value::array},
    {"exclusiveMaximum", Keyword::exclusive_maximum, Value::number_or_flag},
    {"exclusiveMinimum", Keyword::exclusive_minimum, Value::number_or_flag},
    {"format", Keyword::format, Value::string},
    {"if", Keyword::if_, Value::schema},
    {"items", Keyword::items, Value::items},
    {"maxContains", Keyword::max_contains, Value::count},
    {"maxItems", Keyword::max_items, Value::count},
    {"maxLength", Keyword::max_length, Value::count},
    {"maxProperties", Keyword::max_properties, Value::count},
    {"maximum", Keyword::maximum, Value::number},
    {"minContains", Keyword::min_contains, Value::count},
    {"minItems", Keyword::min_items, Value::count},
    {"minLength", Keyword::min_length, Value::count},
    {"minProperties", Keyword::min_properties, Value::count},
    {"minimum", Keyword::minimum, Value::number},
    {"multipleOf", Keyword::multiple_of, Value::number_above_0},
    {"not", Keyword::not_, Value::schema},
    {"nullable", Keyword::nullable, Value::boolean},
    {"oneOf", Keyword::one_of, Value::schemas},
    {"pattern", Keyword::pattern, Value::string},
    {"patternProperties", Keyword::pattern_properties, Value::schemas_by_name},
    {"prefixItems", Keyword::prefix_items, Value::prefix},
    {"properties", Keyword::properties, Value::schemas_by_name},
    {"propertyNames", Keyword::property_names, Value::schema},
    {"required", Keyword::required, Value::names},
    {"then", Keyword::then, Value::schema},
    {"type", Keyword::type, Value::types},
    {"unevaluatedItems", Keyword::unevaluated_items, Value::schema},
    {"unevaluatedProperties", Keyword::unevaluated_properties, Value::schema},
    {"uniqueItems", Keyword::unique_items, Value::boolean},
});
static_assert(std::ranges::is_sorted(kKeywords, {}, &Named::name));

constexpr std::array<std::string_view, 7> kTypes{"array",  "boolean", "integer", "null",
                                                 "number", "object",  "string"};

bool is_boolean(const JsonValue& value) {
    bool flag = false;
    return value.get(flag);
}

bool is_schema(const JsonValue& value) {
    return value.is_object() || is_boolean(value);
}

/// The number that it is, if it is one and can be read; that it cannot is said elsewhere.
std::optional<Decimal> number_of(const JsonValue& value) {
    return value.is_number() ? parse_decimal(value.raw()) : std::nullopt;
}

bool is_count(const JsonValue& value) {
    const auto number = number_of(value);
    return number ? !number->negative && number->fraction.empty() : value.is_number();
}

bool is_above_0(const JsonValue& value) {
    const auto number = number_of(value);
    return number ? !number->negative && !number->is_zero() : value.is_number();
}

bool is_type(const JsonValue& value) {
    std::string name;
    return value.get(name) && std::ranges::find(kTypes, name) != kTypes.end();
}

/// Whether it is an array, and all of its elements are such.
template <class Is>
bool is_array_of(const JsonValue& value, Is&& is) {
    if (!value.is_array()) return false;
    for (const JsonValue& element : value.elements())
        if (!is(element)) return false;
    return true;
}

template <class Is>
bool is_object_of(const JsonValue& value, Is&& is) {
    if (!value.is_object()) return false;
    for (const auto& [name, member] : value.members())
        if (!is(member)) return false;
    return true;
}

bool has_elements(const JsonValue& value) {
    return value.elements().begin() != value.elements().end();
}

bool is_names(const JsonValue& value) {
    return is_array_of(value, [](const JsonValue& each) { return each.is_string(); });
}

bool is_names_or_other(const JsonValue& value) {
    return !value.is_array() || is_names(value);
}

}  // namespace

std::optional<Keyword> find_keyword(std::string_view name) {
    const auto at = std::ranges::lower_bound(kKeywords, name, {}, &Named::name);
    if (at == kKeywords.end() || at->name != name) return {};
    return at->keyword;
}

const char* expected_value(Keyword keyword, const JsonValue& value) {
    auto unless = [](bool is_so, const char* expected) { return is_so ? nullptr : expected; };
    switch (std::ranges::find(kKeywords, keyword, &Named::keyword)->value) {
        case Value::any:
            return nullptr;
        case Value::array:
            return unless(value.is_array(), "an array");
        case Value::boolean:
            return unless(is_boolean(value), "true or false");
        case Value::count:
            return unless(is_count(value), "an integer from 0 on");
        case Value::dependencies:
            return unless(is_object_of(value, is_names_or_other),
                          "an object of schemas and arrays of strings");
        case Value::items:
            return unless(is_schema(value) || value.is_array(), "a schema or an array of schemas");
        case Value::lists_by_name:
            return unless(is_object_of(value, is_names), "an object of arrays of strings");
        case Value::names:
            return unless(is_names(value), "an array of strings");
        case Value::number:
            return unless(value.is_number(), "a number");
        case Value::number_above_0:
            return unless(is_above_0(value), "a number above 0");
        case Value::number_or_flag:
            return unless(value.is_number() || is_boolean(value), "a number");
        case Value::prefix:
            return unless(value.is_array(), "an array of schemas");
        case Value::schema:
            return unless(is_schema(value), "a schema, an object or a boolean,");
        case Value::schemas:
            return unless(value.is_array() && has_elements(value),
                          "an array of one schema or more");
        case Value::schemas_by_name:
            return unless(value.is_object(), "an object of schemas");
        case Value::string:
            return unless(value.is_string(), "a string");
        case Value::types:
            return unless(is_type(value) || (is_array_of(value, is_type) && has_elements(value)),
                          "one of null, boolean, integer, number, string, array and object, or an "
                          "array of these,");
    }
    return nullptr;
}

}  // namespace qwend::grammar
