#pragma once

#include <span>

#include "model/grammar/languages.h"
#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// How one code point of a set is written: utf8_char or json_char.
using Spelling = Languages::Spelling;

/// The texts that are what `syntax` says from their begin to their end. Its rules say `rules`.
/// Throws GrammarError for another rule, for an assertion within a repetition, and for a look-ahead
/// that is not at the text's begin.
LanguageId full_match(Languages& languages, const Syntax& syntax, Spelling spelling,
                      std::span<const LanguageId> rules = {});

/// The texts that have somewhere what `syntax` says, as a JSON Schema's pattern is meant. Throws as
/// full_match() does; a look-ahead has to follow a `^`.
LanguageId search(Languages& languages, const Syntax& syntax, Spelling spelling);

}  // namespace qwend::grammar
