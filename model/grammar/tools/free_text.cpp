#include "model/grammar/tools/free_text.h"

#include <utility>

#include "model/grammar/spelling.h"

namespace qwend::grammar {

LanguageId tag_language(Languages& l, const Tag& tag) {
    const LanguageId text = l.literal(tag.text);
    return tag.token.empty() ? text : l.either({text, l.literal(tag.token)});
}

LanguageId text_without(Languages& l, std::vector<std::string> markers) {
    return l.both({l.repeat(utf8_char(l, CodePointSet::all()), 0),
                   l.complement(l.containing(std::move(markers)))});
}

}  // namespace qwend::grammar
