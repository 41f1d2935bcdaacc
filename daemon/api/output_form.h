#pragma once

#include <compare>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "daemon/api/output_format.h"

namespace qwend {

/// A function that a model may call, as the request has it.
struct OfferedTool {
    std::string name;
    std::string schema{};          // JSON Schema of its arguments; "": the request has none
    std::optional<bool> strict{};  // whether its arguments have to be valid; absent: not said
    std::string field{};           // of the request, that has the schema, for errors

    /// The field aside.
    auto key() const { return std::tie(name, schema, strict); }
    auto operator<=>(const OfferedTool& other) const { return key() <=> other.key(); }
    bool operator==(const OfferedTool& other) const { return key() == other.key(); }
};

/// The form that an answer has to have: whatever is generated is a text of it, unless max_tokens
/// cuts it off.
struct OutputForm {
    enum class Kind {
        text,            // any, beside calls
        json_schema,     // JSON that is valid against the schema
        json_object,     // any object; no text
        regex,           // what the expression matches as a whole
        choice,          // one of the strings of a JSON array
        grammar,         // of GBNF or Lark
        structural_tag,  // what the formats of such an object say
    };
    Kind kind = Kind::json_schema;
    std::string text{};  // in the notation of its kind
    enum class Space { compact, flexible, none } space = Space::compact;  // between parts of JSON
    std::string space_pattern{};  // a regular expression of it instead; "": as `space` says
    bool closed_objects = true;   // what lists its properties has no others
    std::string field{};          // of the request, for errors

    /// Calls of tools, which there may be or have to be instead of what the rest says.
    struct Calls {
        std::vector<OfferedTool> tools;
        ToolFormat format = ToolFormat::hermes;
        bool required = false;
        bool only_one = false;  // and nothing behind it

        auto operator<=>(const Calls&) const = default;
    };
    std::optional<Calls> calls{};
    /// What the model thinks comes first, and is free.
    enum class Thinking { none, possible, begun } thinking = Thinking::none;

    bool is_json() const { return kind == Kind::json_schema || kind == Kind::json_object; }

    /// All that it asks for: two are the same form if these are equal.
    auto key() const {
        return std::tie(kind, text, space, space_pattern, closed_objects, calls, thinking);
    }

    /// Bytes of memory, about.
    size_t n_bytes() const {
        size_t n = text.size();
        if (calls)
            for (const OfferedTool& tool : calls->tools)
                n += sizeof tool + tool.name.size() + tool.schema.size();
        return n;
    }
};

}  // namespace qwend
