#pragma once

#include "model/grammar/code_points.h"
#include "model/grammar/languages.h"

namespace qwend::grammar {

/// One code point of `set`, in UTF-8.
LanguageId utf8_char(Languages& languages, const CodePointSet& set);

/// One code point of `set` as the body of a JSON string may have it, each in one spelling alone: as
/// it is, or else in the shortest escape there is. What is said about characters (a pattern, a name
/// that must not come again) then holds for the bytes.
LanguageId json_char(Languages& languages, const CodePointSet& set);

/// One code point of a JSON string's body in any spelling, but an escaped pair of surrogates: only
/// JSON that every client can read, hence no surrogate alone.
LanguageId any_json_char(Languages& languages);
/// The same with escaped pairs of surrogates.
LanguageId any_json_char_or_pair(Languages& languages);

/// `text` (UTF-8) as the body of a JSON string that spells each code point as json_char() does.
std::string json_body(std::string_view text);

}  // namespace qwend::grammar
