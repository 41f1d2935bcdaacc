#pragma once

#include <random>
#include <string>
#include <vector>

#include "model/grammar/syntax.h"

namespace qwend::grammar {

/// Small random trees over few characters, and texts that they may say.
struct RandomSyntax {
    std::mt19937 random{std::random_device{}()};
    bool assertions = false;
    size_t n_rules = 0;  // of them, parts may be
    std::vector<std::string> characters{"a", "b", "\"", "\xC3\xA9", "\xE2\x82\xAC"};

    bool one_in(unsigned n) { return random() % n == 0; }

    CodePointSet set() {
        static const CodePointSet kSets[] = {CodePointSet('a'),      CodePointSet('b'),
                                             CodePointSet('a', 'b'), CodePointSet('"'),
                                             CodePointSet(0xE9),     CodePointSet('b', 0xE9),
                                             CodePointSet(),         CodePointSet(0x80, 0x3000)};
        return one_in(20) ? CodePointSet(0x20AC).complement() : kSets[random() % std::size(kSets)];
    }

    Syntax syntax(int depth) {
        using Kind = Syntax::Kind;
        Syntax out;
        if (n_rules > 0 && one_in(depth > 0 ? 8 : 3)) {
            out.kind = Kind::rule;
            out.rule = random() % n_rules;
            return out;
        }
        if (assertions && one_in(6)) {
            out.kind = one_in(2) ? Kind::text_begin : Kind::text_end;
            return out;
        }
        if (depth <= 0 || one_in(4)) {
            out.kind = one_in(8) ? Kind::empty : Kind::set;
            if (out.kind == Kind::set) out.set = set();
            return out;
        }
        if (one_in(3)) {
            out.kind = Kind::repeat;
            out.min = random() % 3;
            out.max = one_in(3) ? kUnbounded : out.min + random() % 3;
            const bool asserted = assertions;
            assertions = assertions && out.max <= 1;
            out.parts = {syntax(depth - 1)};
            assertions = asserted;
            return out;
        }
        out.kind = one_in(2) ? Kind::sequence : Kind::choice;
        for (size_t n = random() % 4; out.parts.size() < n;) out.parts.push_back(syntax(depth - 1));
        return out;
    }

    std::string text() {
        std::string out;
        for (size_t n = random() % 7; n > 0; n--) out += characters[random() % characters.size()];
        return out;
    }
};

}  // namespace qwend::grammar
