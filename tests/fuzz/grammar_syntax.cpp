// The notations of grammars: whatever the text, it is a tree within its bounds or an error.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "model/grammar/gbnf.h"
#include "model/grammar/lark.h"
#include "model/grammar/left_recursion.h"
#include "model/grammar/regex_syntax.h"
#include "tests/fuzz/cost.h"

using namespace qwend;
using namespace qwend::grammar;

namespace {

struct Size {
    size_t nodes = 0, depth = 0;
};

Size size_of(const Syntax& syntax) {
    Size size;
    for (const Syntax& part : syntax.parts) {
        const Size inner = size_of(part);
        size.nodes += inner.nodes;
        size.depth = std::max(size.depth, inner.depth);
    }
    return {size.nodes + 1, size.depth + 1};
}

void check(const Syntax& syntax) {
    const Size size = size_of(syntax);
    if (size.nodes > kMaxSyntaxNodes || size.depth > kMaxSyntaxDepth) std::abort();
}

/// Of a grammar, what Lark ignores may be there twice.
void check(GrammarSyntax grammar) {
    auto size_within = [&](size_t most_nodes, size_t most_depth) {
        size_t nodes = 0;
        for (const GrammarSyntax::Rule& rule : grammar.rules) {
            const Size size = size_of(rule.syntax);
            nodes += size.nodes;
            if (size.depth > most_depth) std::abort();
        }
        if (grammar.root >= grammar.rules.size() || nodes > most_nodes) std::abort();
    };
    size_within(2 * kMaxSyntaxNodes, kMaxSyntaxDepth);
    grammar = without_left_recursion(std::move(grammar));
    size_within(2 * kMaxRewrittenNodes, 3 * kMaxSyntaxDepth);
}

template <typename Parse>
void try_parser(const char* what, const std::string& text, const Parse& parse) {
    within_cost(what, text.size(), [&] {
        try {
            parse();
        } catch (const GrammarError& error) {
            if (std::string_view(error.what()).size() > 1000) std::abort();
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text = amplified({reinterpret_cast<const char*>(data), size}, 1u << 20);
    try_parser("regex", text, [&] { check(parse_regex(text)); });
    try_parser("gbnf", text, [&] { check(parse_gbnf(text)); });
    try_parser("lark", text, [&] { check(parse_lark(text)); });
    return 0;
}
