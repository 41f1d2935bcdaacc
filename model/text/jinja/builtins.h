#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "model/text/jinja/value.h"

namespace qwend::jinja {

class Interpreter;

/// What a filter, test, method, macro or function is called with. Of a filter, test or method the
/// first is what it is applied to.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string_view, Value>> keywords;
};

/// A call whose arguments have found their parameters.
struct Call {
    Interpreter& interpreter;
    Workspace& work;
    std::span<const Value> args;  // one for each parameter; `missing` where none was given
    Arguments& all;               // for those that take any

    const Value& operator[](size_t i) const { return args[i]; }
    bool has(size_t i) const { return args[i].is_given(); }
    bool flag(size_t i, bool otherwise) const { return has(i) ? is_true(args[i]) : otherwise; }
    /// Fails if the argument is not an integer. None counts as not given.
    int64_t integer(size_t i, int64_t otherwise) const;
    /// str() of it, as most of Jinja's filters begin with.
    Text text(size_t i) const;
    /// Fails if it is not a string, as Python's own methods do.
    const Text& string(size_t i) const;
};

/// A filter, test, method or function. `parameters` names them, parted by spaces; those that may
/// be left out end in ?, those that have no name for a caller begin with _. "*" takes any.
struct Builtin {
    std::string_view name;
    std::string_view parameters;
    Value (*call)(Call&);
};

/// Null if there is none of that name.
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_method(const Value& self, std::string_view name);
const Builtin* find_function(std::string_view name);
std::span<const Builtin> all_functions();

/// The methods that change what they are called on; the sandbox keeps them away.
bool is_mutating_method(const Value& self, std::string_view name);

/// Binds arguments to parameters and calls.
Value invoke(Interpreter& interpreter, const Builtin& builtin, Arguments& arguments);

// The tables of the files that have them.
std::span<const Builtin> text_filters();
std::span<const Builtin> value_filters();
std::span<const Builtin> sequence_filters();
std::span<const Builtin> selecting_filters();
std::span<const Builtin> string_methods();
std::span<const Builtin> search_methods();
const Builtin* find_in(std::span<const Builtin> table, std::string_view name);

// What filters share with each other, with methods and operators.

/// An attribute of an element, as sort, map and selectattr take it; `otherwise`, if given, where it
/// is undefined.
Value attribute_at(Call& call, const Value& item, const Value& attribute, const Value& otherwise);
Value strip_text(Call& call, bool left, bool right);
Value replace_text(Workspace& work, const Text& text, const Text& from, const Text& to,
                   int64_t most);
Value join_texts(Workspace& work, std::span<const Value> items, const Text& separator);
Value escape_html(Workspace& work, const Value& value);
Value sort_values(Workspace& work, std::vector<std::pair<Value, Value>> keyed, bool reverse);

}  // namespace qwend::jinja
