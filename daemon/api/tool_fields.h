#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/field_reader.h"
#include "daemon/api/generation.h"

namespace qwend {

/// Which of its tools a model may call, and whether it has to: what dialects make of tool_choice.
struct ToolChoice {
    bool none = false, required = false;
    std::string name;                                 // the only one that may be called; "": any
    std::optional<std::vector<std::string>> allowed;  // names of those that may be called

    /// OpenAI's "auto", "none" or "required"; false for another word.
    bool set_mode(std::string_view mode);
};

/// What a grammar has to know of a tool: the function at `at`, with the member `schema`.
bool read_offered_tool(FieldReader& read, const std::string& at, const JsonValue& function,
                       const char* schema, std::string name, Generation& generation);

/// Keeps a generation's tools to those that may be called. False: there is no such tool, or none.
bool settle_tool_choice(FieldReader& read, const ToolChoice& choice, Generation& generation);

}  // namespace qwend
