#include "model/grammar/grammar_text.h"

#include <algorithm>

#include "model/grammar/gbnf.h"
#include "model/grammar/lark.h"

namespace qwend::grammar {

namespace {

bool is_lark(std::string_view text) {
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const size_t comment = std::min(line.find('#'), line.find("//"));
        if (line.substr(0, comment).find("::=") != line.npos) return false;
    }
    return true;
}

}  // namespace

GrammarSyntax parse_grammar(std::string_view text) {
    return is_lark(text) ? parse_lark(text) : parse_gbnf(text);
}

}  // namespace qwend::grammar
