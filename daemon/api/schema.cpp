#include "daemon/api/schema.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace qwend {

namespace {

void append_member(std::string& out, std::string_view name, std::string_view schema) {
    if (!out.empty()) out += ',';
    fmt::format_to(std::back_inserter(out), R"("{}":{})", name, schema);
}

std::string object_of(std::string_view properties, const std::vector<std::string>& required) {
    std::string needs;
    if (!required.empty())
        needs = fmt::format(R"(,"required":["{}"])", fmt::join(required, R"(",")"));
    return fmt::format(R"({{"type":"object","properties":{{{}}}{}}})", properties, needs);
}

}  // namespace

std::string integer_schema(int64_t low, int64_t high) {
    return fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high);
}

std::string number_schema(double low, double high) {
    return fmt::format(R"({{"type":"number","minimum":{},"maximum":{}}})", low, high);
}

std::string array_schema(std::string_view items) {
    return fmt::format(R"({{"type":"array","items":{}}})", items);
}

std::string enum_schema(std::initializer_list<std::string_view> values) {
    return fmt::format(R"({{"type":"string","enum":["{}"]}})", fmt::join(values, R"(",")"));
}

std::string any_of(std::initializer_list<std::string_view> schemas) {
    return fmt::format(R"({{"anyOf":[{}]}})", fmt::join(schemas, ","));
}

std::string or_null(std::string_view schema) {
    return any_of({schema, kNullSchema});
}

std::string schema_ref(std::string_view name) {
    return fmt::format(R"({{"$ref":"#/components/schemas/{}"}})", name);
}

std::string object_schema(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
    std::string properties;
    std::vector<std::string> required;
    for (auto [name, schema] : members) {
        if (name.ends_with('?'))
            name.remove_suffix(1);
        else
            required.emplace_back(name);
        append_member(properties, name, schema);
    }
    return object_of(properties, required);
}

RequestSchema& RequestSchema::add(std::string_view name, std::string_view schema) {
    members_.insert_or_assign(std::string(name), schema);
    return *this;
}

RequestSchema& RequestSchema::require(std::initializer_list<std::string_view> names) {
    required_.insert(required_.end(), names.begin(), names.end());
    return *this;
}

std::string RequestSchema::text() const {
    std::string properties;
    for (const auto& [name, schema] : members_) {
        const bool may_be_null =
            schema != kAnySchema && std::ranges::find(required_, name) == required_.end();
        append_member(properties, name, may_be_null ? or_null(schema) : schema);
    }
    return object_of(properties, required_);
}

}  // namespace qwend
