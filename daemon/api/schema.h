#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend {

// JSON Schema, 2020-12, as OpenAPI 3.1 has it: each of these is the text of one.

inline constexpr std::string_view kAnySchema = "{}";
inline constexpr std::string_view kBooleanSchema = R"({"type":"boolean"})";
inline constexpr std::string_view kIntegerSchema = R"({"type":"integer"})";
inline constexpr std::string_view kNumberSchema = R"({"type":"number"})";
inline constexpr std::string_view kStringSchema = R"({"type":"string"})";
inline constexpr std::string_view kObjectSchema = R"({"type":"object"})";
inline constexpr std::string_view kNullSchema = R"({"type":"null"})";

std::string integer_schema(int64_t low, int64_t high);
std::string number_schema(double low, double high);
std::string array_schema(std::string_view items);
/// Of strings alone.
std::string enum_schema(std::initializer_list<std::string_view> values);
std::string any_of(std::initializer_list<std::string_view> schemas);
std::string or_null(std::string_view schema);
/// One of the document's named schemas.
std::string schema_ref(std::string_view name);

/// An object that has all of these members but those whose name ends with '?', which may be absent.
std::string object_schema(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members);

/// The schema of a request, member by member. A member may be null, which is the same as absent,
/// unless it is required.
class RequestSchema {
  public:
    RequestSchema& add(std::string_view name, std::string_view schema);
    RequestSchema& require(std::initializer_list<std::string_view> names);
    std::string text() const;

  private:
    std::map<std::string, std::string, std::less<>> members_;
    std::vector<std::string> required_;
};

/// A schema that others refer to.
struct NamedSchema {
    std::string_view name;
    std::string text;
};

}  // namespace qwend
