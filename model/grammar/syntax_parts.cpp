#include "model/grammar/syntax_parts.h"

#include <algorithm>
#include <utility>

#include "model/grammar/unicode_sets.h"

namespace qwend::grammar {

namespace {

/// `parts` with the parts of those of `kind` in their stead.
std::vector<Syntax> spliced(std::vector<Syntax> parts, Syntax::Kind kind) {
    std::vector<Syntax> out;
    out.reserve(parts.size());
    for (Syntax& part : parts) {
        if (part.kind == kind)
            for (Syntax& inner : part.parts) out.push_back(std::move(inner));
        else
            out.push_back(std::move(part));
    }
    return out;
}

}  // namespace

Syntax one_of(CodePointSet set) {
    Syntax out;
    out.kind = Syntax::Kind::set;
    out.set = std::move(set);
    return out;
}

Syntax nothing() {
    return one_of(CodePointSet());
}

bool is_nothing(const Syntax& syntax) {
    return syntax.kind == Syntax::Kind::set && syntax.set.empty();
}

Syntax sequence_of(std::vector<Syntax> parts) {
    parts = spliced(std::move(parts), Syntax::Kind::sequence);
    if (std::any_of(parts.begin(), parts.end(), is_nothing)) return nothing();
    std::erase_if(parts, [](const Syntax& part) { return part.kind == Syntax::Kind::empty; });
    if (parts.empty()) return {};
    if (parts.size() == 1) return std::move(parts[0]);
    Syntax out;
    out.kind = Syntax::Kind::sequence;
    out.parts = std::move(parts);
    return out;
}

Syntax choice_of(std::vector<Syntax> parts) {
    parts = spliced(std::move(parts), Syntax::Kind::choice);
    std::vector<Syntax> kept;
    std::vector<CodePointRange> ranges;
    size_t first_set = parts.size();
    bool has_empty = false;
    for (Syntax& part : parts) {
        if (is_nothing(part) || (part.kind == Syntax::Kind::empty && has_empty)) continue;
        if (part.kind == Syntax::Kind::empty) has_empty = true;
        if (part.kind == Syntax::Kind::set) {
            const auto& more = part.set.ranges();
            ranges.insert(ranges.end(), more.begin(), more.end());
            if (first_set != parts.size()) continue;
            first_set = kept.size();
        }
        kept.push_back(std::move(part));
    }
    if (kept.empty()) return nothing();
    if (first_set != parts.size()) kept[first_set] = one_of(set_of(std::move(ranges)));
    if (kept.size() == 1) return std::move(kept[0]);
    Syntax out;
    out.kind = Syntax::Kind::choice;
    out.parts = std::move(kept);
    return out;
}

Syntax repeat_of(Syntax part, uint32_t min, uint32_t max) {
    if (max == 0 || part.kind == Syntax::Kind::empty) return {};
    if (is_nothing(part)) return min == 0 ? Syntax() : nothing();
    if (min == 1 && max == 1) return part;
    Syntax out;
    out.kind = Syntax::Kind::repeat;
    out.parts.push_back(std::move(part));
    out.min = min;
    out.max = max;
    return out;
}

Syntax rule_of(size_t rule) {
    Syntax out;
    out.kind = Syntax::Kind::rule;
    out.rule = rule;
    return out;
}

size_t node_count(const Syntax& syntax) {
    size_t n = 1 + syntax.set.ranges().size() / kRangesPerNode;
    for (const Syntax& part : syntax.parts) n += node_count(part);
    return n;
}

size_t depth(const Syntax& syntax) {
    size_t most = 0;
    for (const Syntax& part : syntax.parts) most = std::max(most, depth(part));
    return most + 1;
}

}  // namespace qwend::grammar
