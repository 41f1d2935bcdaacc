#pragma once

#include <optional>
#include <string_view>

#include "model/grammar/languages.h"

namespace qwend::grammar {

/// Languages that most schemas have: made once in the process, and every Grammar begins with them.
/// Takes some ten milliseconds the first time. Any thread.
const Languages& common_languages();

/// format_syntax() as json_char() spells it.
std::optional<LanguageId> format_body(Languages& languages, std::string_view format);

}  // namespace qwend::grammar
