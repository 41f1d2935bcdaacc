#include "model/grammar/common_languages.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "model/grammar/formats.h"
#include "model/grammar/numbers.h"
#include "model/grammar/regex_syntax.h"
#include "model/grammar/regular.h"
#include "model/grammar/spelling.h"
#include "model/grammar/unicode_sets.h"

namespace qwend::grammar {

namespace {

/// Of these and of what their bytes lead to, what each byte leads to.
void walk(Languages& l, std::initializer_list<LanguageId> from) {
    std::vector<LanguageId> found(from);
    for (size_t here = 0; here < found.size(); here++)
        for (int byte = 0; byte < 256; byte++) {
            const LanguageId to = l.after(found[here], uint8_t(byte));
            if (std::ranges::find(found, to) == found.end()) found.push_back(to);
        }
}

/// Sets that patterns name.
void spell_sets(Languages& l) {
    const CodePointSet all = CodePointSet::all();
    std::vector<CodePointSet> sets{all, CodePointSet('0', '9'), CodePointSet('a', 'z'),
                                   CodePointSet('A', 'Z'), line_terminators().complement};
    for (const NamedSet* named : {&decimal_digits(), &word_characters(false), &white_space()}) {
        sets.push_back(named->set);
        sets.push_back(named->complement);
    }
    for (const CodePointSet& set : sets) {
        l.spelled(set, json_char);
        l.spelled(set, utf8_char);
    }
}

struct Common {
    Languages all;
    std::vector<std::pair<std::string_view, LanguageId>> formats;
};

Common make_common() {
    Common out;
    Languages& l = out.all;
    spell_sets(l);
    const LanguageId quote = l.literal("\""),
                     plain = l.repeat(l.spelled(CodePointSet::all(), json_char), 0);
    for (const LanguageId body :
         {l.repeat(any_json_char(l), 0), l.repeat(any_json_char_or_pair(l), 0), plain})
        walk(l, {body, l.sequence({quote, body, quote})});
    walk(l, {number_language(l, {}), number_language(l, {.integer = true}), l.literal("null"),
             l.one_of({"true", "false"})});
    for (const std::string_view name : format_names()) {
        const LanguageId format = full_match(l, *format_syntax(name), json_char);
        out.formats.emplace_back(name, format);
        l.sequence({quote, format, quote});
    }
    return out;
}

const Common& common() {
    // Whatever still reads it when the process ends may do so.
    static const Common* const made = new Common(make_common());
    return *made;
}

}  // namespace

const Languages& common_languages() {
    return common().all;
}

std::optional<LanguageId> format_body(Languages& languages, std::string_view format) {
    const Syntax* syntax = format_syntax(format);
    if (!syntax) return std::nullopt;
    if (languages.base() != &common().all) return full_match(languages, *syntax, json_char);
    for (const auto& [name, body] : common().formats)
        if (name == format) return body;
    return std::nullopt;
}

}  // namespace qwend::grammar
