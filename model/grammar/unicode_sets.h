#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "model/grammar/code_points.h"

namespace qwend::grammar {

/// What regular expressions have names for, and all the rest. Whatever is returned by reference is
/// made once and lives as long as the process.
struct NamedSet {
    CodePointSet set, complement;
};

const NamedSet& decimal_digits();  // \d: 0 to 9
/// \w: ASCII's letters and digits, and _; with their case variants two more.
const NamedSet& word_characters(bool ignore_case);
const NamedSet& white_space();  // \s: ECMA-262's WhiteSpace and LineTerminator
const NamedSet& line_terminators();

/// A general category of Unicode by its short or its long name (Lu, Uppercase_Letter) or a group of
/// them (L, Letter); nullptr if there is none of that name.
const NamedSet* general_category(std::string_view name);

/// The set of all of them, in whatever order they come: n log n, where adding them one by one could
/// take a time that is quadratic.
CodePointSet set_of(std::vector<CodePointRange> ranges);

/// The set and all that differs from one of its members in case alone, by the simple case folding
/// of Unicode, as ECMA-262 compares under the flags i and u. How many letters were looked at is
/// added to `steps`: it is at most some three thousand.
CodePointSet with_case_variants(const CodePointSet& set, size_t& steps);

}  // namespace qwend::grammar
