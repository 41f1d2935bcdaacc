#include "model/grammar/regular.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

namespace qwend::grammar {

namespace {

using Kind = Syntax::Kind;

bool is_assertion(const Syntax& syntax) {
    return syntax.kind == Kind::text_begin || syntax.kind == Kind::text_end ||
           syntax.kind == Kind::look_ahead;
}

bool has_assertion(const Syntax& syntax) {
    if (is_assertion(syntax)) return true;
    for (const Syntax& part : syntax.parts)
        if (has_assertion(part)) return true;
    return false;
}

Syntax sequence_of(std::vector<Syntax> parts) {
    Syntax out;
    out.kind = Kind::sequence;
    out.parts = std::move(parts);
    return out;
}

/// Where a part lies: whether the text may begin before it, and end behind it. What is found in the
/// middle is found at the edges too, since an assertion asks for an edge and never for none.
struct Place {
    bool begin, end;
};

class Lowering {
  public:
    Lowering(Languages& languages, Spelling spelling, std::span<const LanguageId> rules = {})
        : languages_(languages), spelling_(spelling), rules_(rules) {}

    LanguageId language(const Syntax& syntax, Place place);
    LanguageId any_text() {
        return languages_.repeat(languages_.spelled(CodePointSet::all(), spelling_), 0);
    }
    LanguageId found(const Syntax& syntax);
    LanguageId at_begin(const Syntax& syntax);
    LanguageId with_look_aheads(const Syntax& syntax, bool anywhere);

  private:
    LanguageId sequence(const Syntax& syntax, Place place);
    LanguageId repeat(const Syntax& syntax, Place place);
    LanguageId asserting_sequence(const Syntax& syntax, Place place);
    bool may_be_empty(const Syntax& syntax, Place place) const;

    Languages& languages_;
    Spelling spelling_;
    std::span<const LanguageId> rules_;
    std::deque<Syntax> made_;                                    // not in the tree that was given
    std::map<std::pair<const Syntax*, int>, LanguageId> known_;  // of what asserts, by its place
};

bool Lowering::may_be_empty(const Syntax& syntax, Place place) const {
    switch (syntax.kind) {
        case Kind::empty:
            return true;
        case Kind::set:
            return false;
        case Kind::rule:
            return syntax.rule < rules_.size() && languages_.has_empty(rules_[syntax.rule]);
        case Kind::sequence:
            return std::ranges::all_of(
                syntax.parts, [&](const Syntax& part) { return may_be_empty(part, place); });
        case Kind::choice:
            for (const Syntax& part : syntax.parts)
                if (may_be_empty(part, place)) return true;
            return false;
        case Kind::repeat:
            return syntax.min == 0 || may_be_empty(syntax.parts[0], place);
        case Kind::text_begin:
            return place.begin;
        case Kind::text_end:
            return place.end;
        case Kind::look_ahead:
            return false;
    }
    return false;
}

LanguageId Lowering::language(const Syntax& syntax, Place place) {
    switch (syntax.kind) {
        case Kind::empty:
            return Languages::kEmpty;
        case Kind::set:
            return languages_.spelled(syntax.set, spelling_);
        case Kind::sequence:
            return sequence(syntax, place);
        case Kind::choice: {
            std::vector<LanguageId> parts;
            for (const Syntax& part : syntax.parts) parts.push_back(language(part, place));
            return languages_.either_factored(std::move(parts));
        }
        case Kind::repeat:
            return repeat(syntax, place);
        case Kind::rule:
            if (syntax.rule < rules_.size()) return rules_[syntax.rule];
            throw GrammarError("a rule has no place in a regular expression");
        case Kind::text_begin:
            return place.begin ? Languages::kEmpty : Languages::kNothing;
        case Kind::text_end:
            return place.end ? Languages::kEmpty : Languages::kNothing;
        case Kind::look_ahead:
            throw GrammarError("a look-ahead is possible right behind a ^ alone");
    }
    return Languages::kNothing;
}

LanguageId Lowering::sequence(const Syntax& syntax, Place place) {
    if (!has_assertion(syntax)) {
        LanguageId out = Languages::kEmpty;
        for (size_t i = syntax.parts.size(); i > 0; i--)
            out = languages_.sequence(language(syntax.parts[i - 1], place), out);
        return out;
    }
    // Sequences within sequences ask for the same again and again.
    const std::pair key(&syntax, place.begin * 2 + place.end);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    return known_[key] = asserting_sequence(syntax, place);
}

LanguageId Lowering::asserting_sequence(const Syntax& syntax, Place place) {
    // From behind, for each place that the rest may have: where what comes before it is empty, it
    // lies at the begin itself. Index: whether that is so.
    LanguageId rest[2] = {Languages::kEmpty, Languages::kEmpty};
    bool rest_may_be_empty[2] = {true, true};
    for (size_t i = syntax.parts.size(); i > 0; i--) {
        const Syntax& part = syntax.parts[i - 1];
        const bool is_last = i == syntax.parts.size();
        LanguageId next[2];
        bool next_may_be_empty[2];
        for (const bool begin : {false, true}) {
            const Place here{begin && place.begin, place.end};
            next_may_be_empty[begin] = rest_may_be_empty[begin] && may_be_empty(part, here);
            if (is_last) {
                next[begin] = language(part, here);
                continue;
            }
            // Neither is empty; the rest is; the part is; both are. What the first has anyway is
            // left out, or the languages would grow with each part.
            const LanguageId inner = language(part, {here.begin, false}),
                             whole = language(part, here);
            std::vector<LanguageId> ways{languages_.sequence(inner, rest[false])};
            if (rest_may_be_empty[false] && !(inner == whole && languages_.has_empty(rest[false])))
                ways.push_back(whole);
            if (may_be_empty(part, {here.begin, false}) &&
                !(rest[begin] == rest[false] && languages_.has_empty(inner)))
                ways.push_back(rest[begin]);
            if (next_may_be_empty[begin]) ways.push_back(Languages::kEmpty);
            next[begin] = languages_.either(std::move(ways));
        }
        for (const bool begin : {false, true}) {
            rest[begin] = next[begin];
            rest_may_be_empty[begin] = next_may_be_empty[begin];
        }
    }
    return rest[place.begin];
}

LanguageId Lowering::repeat(const Syntax& syntax, Place place) {
    const Syntax& part = syntax.parts[0];
    if (syntax.max <= 1 || !has_assertion(part)) {
        const LanguageId once = language(part, place);
        return languages_.repeat(once, syntax.min, syntax.max);
    }
    throw GrammarError("^, $ and look-aheads are not possible within a repetition");
}

/// What has it somewhere.
LanguageId Lowering::found(const Syntax& syntax) {
    const LanguageId any = any_text();
    if (!has_assertion(syntax))
        return languages_.sequence({any, language(syntax, {false, false}), any});
    return languages_.either({language(syntax, {true, true}),
                              languages_.sequence(any, language(syntax, {false, true})),
                              languages_.sequence(language(syntax, {true, false}), any),
                              languages_.sequence({any, language(syntax, {false, false}), any})});
}

/// What begins with it.
LanguageId Lowering::at_begin(const Syntax& syntax) {
    return languages_.either({language(syntax, {true, true}),
                              languages_.sequence(language(syntax, {true, false}), any_text())});
}

/// Takes the look-aheads at the begin out, which are conditions on the whole text.
LanguageId Lowering::with_look_aheads(const Syntax& syntax, bool anywhere) {
    if (syntax.kind == Kind::choice) {
        std::vector<LanguageId> parts;
        for (const Syntax& part : syntax.parts) parts.push_back(with_look_aheads(part, anywhere));
        return languages_.either_factored(std::move(parts));
    }
    auto matched = [&](const Syntax& rest) {
        return anywhere ? found(rest) : language(rest, {true, true});
    };
    if (syntax.kind == Kind::look_ahead && !anywhere)
        return with_look_aheads(made_.emplace_back(sequence_of({syntax})), anywhere);
    if (syntax.kind != Kind::sequence) return matched(syntax);

    std::vector<LanguageId> all;
    Syntax& rest = made_.emplace_back(sequence_of({}));
    bool at_the_begin = !anywhere, leading = true;
    for (const Syntax& part : syntax.parts) {
        leading = leading && is_assertion(part);
        if (leading && part.kind == Kind::text_begin) at_the_begin = true;
        if (!leading || !at_the_begin || part.kind != Kind::look_ahead) {
            rest.parts.push_back(part);
            continue;
        }
        const LanguageId seen = at_begin(part.parts[0]);
        all.push_back(part.negated ? languages_.complement(seen) : seen);
    }
    all.push_back(matched(rest));
    return languages_.both(std::move(all));
}

}  // namespace

LanguageId full_match(Languages& languages, const Syntax& syntax, Spelling spelling,
                      std::span<const LanguageId> rules) {
    return Lowering(languages, spelling, rules).with_look_aheads(syntax, false);
}

LanguageId search(Languages& languages, const Syntax& syntax, Spelling spelling) {
    return Lowering(languages, spelling).with_look_aheads(syntax, true);
}

}  // namespace qwend::grammar
