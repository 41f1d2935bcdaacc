#pragma once

#include <string>
#include <vector>

#include "model/grammar/languages.h"

namespace qwend::grammar {

/// A tag of a model's: a text, which it may also write as a token of its own.
struct Tag {
    std::string text;
    std::string token{};  // what stands for that in a Vocabulary; "": there is none
};

LanguageId tag_language(Languages& languages, const Tag& tag);

/// Any text without one of the markers in it. Plain characters lead from it to itself.
LanguageId text_without(Languages& languages, std::vector<std::string> markers);

}  // namespace qwend::grammar
