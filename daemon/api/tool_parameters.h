#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "model/json_document.h"

namespace qwend {

/// Types of JSON values, as a set.
enum JsonTypes : unsigned {
    kJsonString = 1,
    kJsonNumber = 2,
    kJsonBoolean = 4,
    kJsonNull = 8,
    kJsonArray = 16,
    kJsonObject = 32,
    kJsonAny = 63,
};

/// A request's tools, and what their parameters may be, by their JSON schemas.
class ToolParameters {
  public:
    ToolParameters() = default;
    /// Each of `tools` is the JSON text of one element of `tools`; of what is none, nothing is
    /// known.
    explicit ToolParameters(std::span<const std::string> tools);

    bool has_tool(std::string_view name) const { return tools_.find(name) != tools_.end(); }
    /// Whether a tool has this name, or one that begins so.
    bool begins_tool(std::string_view name) const;
    /// JsonTypes; any of them if there is no such tool, no such parameter or no telling.
    unsigned types_of(const std::string& tool, const std::string& parameter) const;

  private:
    std::map<std::string, std::map<std::string, unsigned>, std::less<>> tools_;
};

/// Which types a schema's type, enum, const, anyOf and oneOf allow.
unsigned types_of_schema(const JsonValue& schema, int max_depth = 8);

}  // namespace qwend
