#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/grammar.h"

namespace qwend::grammar {

enum class Whitespace : uint8_t {
    none,
    compact,   // a space behind a comma and a colon, or none
    flexible,  // there and inside brackets also a line break and as much as indents a line; it ends
};

struct SchemaOptions {
    Whitespace whitespace = Whitespace::compact;
    /// A regular expression of whitespace, which stands wherever the flexible one may instead of
    /// it; no more than kMaxSpace characters are generated.
    std::string space_pattern{};
    static constexpr uint32_t kMaxSpace = 32;
    /// Whether an object that a schema lists properties of has no others where nothing is said of
    /// them, as whoever lists them means it; the specification lets them be anything.
    bool closed_objects = true;
    /// Of the values that a schema allows, only those that are objects: what a function is called
    /// with.
    bool only_objects = false;
    /// What no string has in it; "": nothing is left out.
    std::string not_in_strings{};
    size_t max_work = Languages::kMaxWork;  // that compiling may cost
};

/// The texts that are JSON, and valid against a JSON Schema (drafts 4 to 2020-12). Each of them is
/// valid, but not every valid one is among them: an object's members come in the order in which the
/// schema names them, a number has some twenty digits, constants are spelled in one way.
/// Throws GrammarError, with the place in the schema, for what cannot be asked of a text that is
/// read from left to right, and for a schema that allows nothing or is too large.
Grammar compile_schema(std::string_view schema, const SchemaOptions& options);

/// The same as a part of a larger grammar, whose finish() is still to be called: that finds out
/// whether the schema allows nothing.
NodeId add_schema(Grammar& grammar, std::string_view schema, const SchemaOptions& options);

/// How arguments are written one by one, as bare text, and not as the object that they are.
struct ParameterStyle {
    std::string begin, name_end, end;        // <begin>name<name_end>value<end>
    std::vector<std::string> not_in_values;  // nor, before that, across its begin
    /// Bits of types: what a reader takes the value of that name for, where it looks so.
    std::function<uint8_t(const std::string& name)> read_types;
};

/// The members of the objects that the schema allows, each at most once, in this style. A string
/// stands as it is; what can only be checked in JSON is checked, of strings that JSON would not
/// escape. What is no string stands as JSON. A text is never one that its reader takes for
/// another value than is meant. As add_schema().
NodeId add_parameters(Grammar& grammar, std::string_view schema, const SchemaOptions& options,
                      const ParameterStyle& style);
/// Whether that style has such a name: it stands in a tag.
bool is_tag_name(std::string_view name);

}  // namespace qwend::grammar
