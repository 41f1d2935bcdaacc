#include "daemon/api/tool_parameters.h"

#include <optional>

namespace qwend {

namespace {

unsigned type_named(const JsonValue& name) {
    static const std::map<std::string_view, unsigned> types = {
        {"string", kJsonString},   {"number", kJsonNumber}, {"integer", kJsonNumber},
        {"boolean", kJsonBoolean}, {"null", kJsonNull},     {"array", kJsonArray},
        {"object", kJsonObject}};
    std::string text;
    if (!name.get(text)) return kJsonAny;
    const auto found = types.find(text);
    return found == types.end() ? unsigned(kJsonAny) : found->second;
}

unsigned type_of_value(const JsonValue& value) {
    if (value.is_string()) return kJsonString;
    if (value.is_number()) return kJsonNumber;
    if (value.is_array()) return kJsonArray;
    if (value.is_object()) return kJsonObject;
    return value.is_null() ? kJsonNull : kJsonBoolean;
}

}  // namespace

unsigned types_of_schema(const JsonValue& schema, int max_depth) {
    unsigned types = 0;
    if (const auto type = schema.member("type")) {
        if (!type->is_array()) return type_named(*type);
        for (const JsonValue name : type->elements()) types |= type_named(name);
    } else if (const auto value = schema.member("const")) {
        types = type_of_value(*value);
    } else if (const auto values = schema.member("enum")) {
        for (const JsonValue one : values->elements()) types |= type_of_value(one);
    } else if (max_depth > 0) {
        for (const char* key : {"anyOf", "oneOf"})
            if (const auto choices = schema.member(key))
                for (const JsonValue choice : choices->elements())
                    types |= types_of_schema(choice, max_depth - 1);
    }
    return types ? types : unsigned(kJsonAny);
}

ToolParameters::ToolParameters(std::span<const std::string> tools) {
    for (const std::string& text : tools) {
        JsonDocument document;
        if (document.parse(text)) continue;
        std::string tool;
        const auto function = document.root().member("function");
        const auto name = function ? function->member("name") : std::nullopt;
        const auto schema = function ? function->member("parameters") : std::nullopt;
        const auto properties = schema ? schema->member("properties") : std::nullopt;
        if (!name || !name->get(tool)) continue;
        auto& types = tools_[tool];
        if (!properties) continue;
        for (const auto& [key, property] : properties->members())
            types[key] = types_of_schema(property);
    }
}

bool ToolParameters::begins_tool(std::string_view name) const {
    const auto next = tools_.lower_bound(name);
    return next != tools_.end() && next->first.starts_with(name);
}

unsigned ToolParameters::types_of(const std::string& tool, const std::string& parameter) const {
    const auto known = tools_.find(tool);
    if (known == tools_.end()) return kJsonAny;
    const auto found = known->second.find(parameter);
    return found == known->second.end() ? unsigned(kJsonAny) : found->second;
}

}  // namespace qwend
