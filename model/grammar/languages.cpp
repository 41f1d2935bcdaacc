#include "model/grammar/languages.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "model/grammar/id_buffer.h"

namespace qwend::grammar {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

}  // namespace

Languages::Languages() {
    push({.kind = Kind::nothing, .has_empty = false, .plain = true});
    push({.kind = Kind::empty, .has_empty = true, .plain = true});
    byte_in(ByteSet::all());
    repeat(kAnyByte, 0);
}

Languages::Languages(const Languages* base)
    : base_(base),
      n_base_(base->expressions_.size()),
      n_base_parts_(base->parts_.size()),
      n_base_sets_(base->sets_.size()),
      n_base_texts_(base->texts_.size()) {}

LanguageId Languages::push(const Expression& expression) {
    if (expressions_.size() >= kMaxExpressions)
        throw GrammarError("what is asked for has an automaton of more than " +
                           std::to_string(kMaxExpressions) + " states");
    expressions_.push_back(expression);
    return LanguageId(n_base_ + expressions_.size() - 1);
}

/// The number that `table`, a member, has of that hash, here or in the base.
template <class IsIt>
uint32_t Languages::find_in(IdTable Languages::*table, uint64_t hash, const IsIt& is_it) const {
    const uint32_t known = base_ ? (base_->*table).find(hash, is_it) : IdTable::kNone;
    return known != IdTable::kNone ? known : (this->*table).find(hash, is_it);
}

LanguageId Languages::add(const Expression& expression) {
    const uint64_t hash =
        mix(mix(mix(uint64_t(expression.kind), expression.a), expression.b), expression.c);
    const uint32_t known = find_in(&Languages::ids_, hash, [&](LanguageId id) {
        const Expression& other = at(id);
        return other.kind == expression.kind && other.a == expression.a &&
               other.b == expression.b && other.c == expression.c;
    });
    if (known != IdTable::kNone) return known;
    const LanguageId id = push(expression);
    ids_.add(hash, id);
    return id;
}

uint32_t Languages::set_index(const ByteSet& set) {
    uint64_t hash = 0;
    for (const uint64_t word : set.words()) hash = mix(hash, word);
    const uint32_t known =
        find_in(&Languages::set_ids_, hash, [&](uint32_t index) { return set_at(index) == set; });
    if (known != IdTable::kNone) return known;
    const auto index = uint32_t(n_base_sets_ + sets_.size());
    sets_.push_back(set);
    set_ids_.add(hash, index);
    return index;
}

LanguageId Languages::byte_in(const ByteSet& set) {
    if (set.empty()) return kNothing;
    return add({.kind = Kind::byte_in, .has_empty = false, .plain = true, .a = set_index(set)});
}

LanguageId Languages::literal(std::string_view text) {
    LanguageId out = kEmpty;
    for (size_t i = text.size(); i > 0; i--) {
        ByteSet set;
        set.add(uint8_t(text[i - 1]));
        out = sequence(byte_in(set), out);
    }
    return out;
}

LanguageId Languages::one_of(std::vector<std::string> texts) {
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    if (texts.empty()) return kNothing;
    uint64_t hash = texts.size();
    for (const std::string& text : texts) hash = mix(hash, std::hash<std::string_view>()(text));
    const uint32_t known = find_in(&Languages::text_ids_, hash, [&](LanguageId id) {
        const Expression& other = at(id);
        return other.b - other.a + 1 == texts.size() &&
               std::equal(texts.begin(), texts.end(), &text_at(other.a));
    });
    if (known != IdTable::kNone) return known;
    const auto first = uint32_t(n_base_texts_ + texts_.size());
    for (std::string& text : texts) {
        n_text_bytes_ += text.size();
        texts_.push_back(std::move(text));
    }
    const LanguageId id = one_of(first, uint32_t(n_base_texts_ + texts_.size() - 1), 0);
    if (id != kEmpty) text_ids_.add(hash, id);
    return id;
}

/// Of sorted texts that have the first `depth` bytes in common, what comes behind these.
LanguageId Languages::one_of(uint32_t first, uint32_t last, uint32_t depth) {
    const bool has_empty = text_at(first).size() == depth;
    if (first == last && has_empty) return kEmpty;
    return add({.kind = Kind::one_of,
                .has_empty = has_empty,
                .plain = true,
                .a = first,
                .b = last,
                .c = depth});
}

LanguageId Languages::either_factored(std::vector<LanguageId> parts) {
    std::vector<LanguageId> common;  // what all of them begin with
    std::vector<LanguageId> ways;
    auto head = [&](LanguageId part) {
        return at(part).kind == Kind::sequence ? at(part).a : kUnknown;
    };
    for (;;) {
        std::ranges::sort(parts, {}, head);
        if (parts.size() < 2 || head(parts.front()) != head(parts.back()) ||
            head(parts.front()) == kUnknown)
            break;
        common.push_back(head(parts.front()));
        for (LanguageId& part : parts) part = at(part).b;
    }
    for (size_t begin = 0, end; begin < parts.size(); begin = end) {
        const LanguageId first = head(parts[begin]);
        for (end = begin + 1; end < parts.size() && head(parts[end]) == first;) end++;
        if (first == kUnknown || end == begin + 1) {
            ways.insert(ways.end(), parts.begin() + long(begin), parts.begin() + long(end));
            continue;
        }
        std::vector<LanguageId> rests;
        for (size_t i = begin; i < end; i++) rests.push_back(at(parts[i]).b);
        ways.push_back(sequence(first, either_factored(std::move(rests))));
    }
    LanguageId out = either(std::move(ways));
    for (; !common.empty(); common.pop_back()) out = sequence(common.back(), out);
    return out;
}

LanguageId Languages::sequence(LanguageId first, LanguageId second) {
    if (first == kNothing || second == kNothing) return kNothing;
    if (first == kEmpty) return second;
    if (second == kEmpty) return first;
    // To the right, so that a derivative touches the first part alone. A long sequence is taken
    // apart here and not by recursion.
    IdBuffer buffer;
    Ids parts(&buffer.memory);
    while (at(first).kind == Kind::sequence) {
        parts.push_back(at(first).a);
        first = at(first).b;
    }
    parts.push_back(first);
    for (; !parts.empty(); parts.pop_back()) {
        const Expression a = at(parts.back()), b = at(second);
        second = add({.kind = Kind::sequence,
                      .has_empty = a.has_empty && b.has_empty,
                      .plain = a.plain && b.plain,
                      .a = parts.back(),
                      .b = second});
    }
    return second;
}

LanguageId Languages::sequence(std::initializer_list<LanguageId> parts) {
    LanguageId out = kEmpty;
    for (auto at = std::rbegin(parts); at != std::rend(parts); at++) out = sequence(*at, out);
    return out;
}

LanguageId Languages::add_parts(Kind kind, std::span<const LanguageId> parts) {
    if (parts.size() > kMaxParts)
        throw GrammarError("what is asked for has a state of more than " +
                           std::to_string(kMaxParts) + " alternatives");
    Expression expression{.kind = kind, .has_empty = kind == Kind::both, .plain = true};
    uint64_t hash = uint64_t(kind);
    for (const LanguageId part : parts) {
        hash = mix(hash, part);
        const Expression& e = at(part);
        expression.plain = expression.plain && e.plain && kind == Kind::either;
        if (kind == Kind::either)
            expression.has_empty = expression.has_empty || e.has_empty;
        else
            expression.has_empty = expression.has_empty && e.has_empty;
    }
    const uint32_t known = find_in(&Languages::ids_, hash, [&](LanguageId id) {
        const Expression& other = at(id);
        return other.kind == kind && std::ranges::equal(parts_of(other), parts);
    });
    if (known != IdTable::kNone) return known;
    expression.a = uint32_t(n_base_parts_ + parts_.size()), expression.b = uint32_t(parts.size());
    const LanguageId id = push(expression);
    parts_.insert(parts_.end(), parts.begin(), parts.end());
    ids_.add(hash, id);
    return id;
}

namespace {

/// Sorts the parts of an associative operation, each once.
void sort_unique(Ids& parts) {
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
}

}  // namespace

LanguageId Languages::either(std::span<const LanguageId> parts) {
    IdBuffer buffer;
    Ids flat(&buffer.memory);
    ByteSet bytes;
    for (const LanguageId part : parts) {
        const Expression& e = at(part);
        if (part == kAnything) return kAnything;
        if (e.kind == Kind::either)
            for (const uint32_t inner : parts_of(e)) {
                if (at(inner).kind == Kind::byte_in)
                    bytes |= set_at(at(inner).a);
                else
                    flat.push_back(inner);
            }
        else if (e.kind == Kind::byte_in)
            bytes |= set_at(e.a);
        else if (part != kNothing)
            flat.push_back(part);
    }
    if (!bytes.empty()) flat.push_back(byte_in(bytes));
    sort_unique(flat);
    if (flat.empty()) return kNothing;
    // The empty text adds nothing to what has it.
    if (flat[0] == kEmpty && std::any_of(flat.begin() + 1, flat.end(),
                                         [&](LanguageId part) { return at(part).has_empty; }))
        flat.erase(flat.begin());
    if (flat.size() == 1) return flat[0];
    return add_parts(Kind::either, flat);
}

LanguageId Languages::both(std::span<const LanguageId> parts) {
    IdBuffer buffer;
    Ids flat(&buffer.memory);
    for (const LanguageId part : parts) {
        if (part == kNothing) return kNothing;
        const Expression& e = at(part);
        if (e.kind == Kind::both)
            flat.insert(flat.end(), parts_of(e).begin(), parts_of(e).end());
        else if (part != kAnything)
            flat.push_back(part);
    }
    sort_unique(flat);
    if (flat.empty()) return kAnything;
    if (flat.size() == 1) return flat[0];
    if (flat[0] == kEmpty)
        return std::all_of(flat.begin(), flat.end(),
                           [&](LanguageId part) { return at(part).has_empty; })
                   ? kEmpty
                   : kNothing;
    return add_parts(Kind::both, flat);
}

LanguageId Languages::complement(LanguageId part) {
    if (part == kNothing) return kAnything;
    if (part == kAnything) return kNothing;
    const Expression e = at(part);
    if (e.kind == Kind::complement) return e.a;
    return add({.kind = Kind::complement, .has_empty = !e.has_empty, .plain = false, .a = part});
}

LanguageId Languages::repeat(LanguageId part, uint32_t min, uint32_t max) {
    if (max == 0 || part == kEmpty) return kEmpty;
    if (part == kNothing) return min == 0 ? kEmpty : kNothing;
    if (min == 1 && max == 1) return part;
    const Expression e = at(part);
    if (part == kAnything) return part;
    if (e.has_empty) min = 0;  // any of them may be empty
    if (e.kind == Kind::repeat && e.b == 0 && e.c == kUnbounded) return part;
    if (min == 0 && max == 1) return optional(part);
    return add({.kind = Kind::repeat,
                .has_empty = min == 0,
                .plain = e.plain,
                .a = part,
                .b = min,
                .c = max});
}

LanguageId Languages::multiple_of(uint32_t divisor, uint32_t n_zeros, uint32_t remainder,
                                  bool behind_point) {
    uint64_t with_zeros = remainder;
    for (uint32_t i = 0; i < n_zeros; i++) with_zeros = with_zeros * 10 % divisor;
    return add({.kind = Kind::multiple_of,
                .has_empty = with_zeros == 0,
                .plain = false,
                .a = divisor,
                .b = n_zeros * 2 + behind_point,
                .c = remainder});
}

const Languages::Spelled* Languages::find_spelled(const CodePointSet& set, Spelling how) const {
    for (const Spelled& known : spelled_)
        if (known.how == how && known.set == set) return &known;
    return base_ ? base_->find_spelled(set, how) : nullptr;
}

LanguageId Languages::spelled(const CodePointSet& set, Spelling how) {
    if (const Spelled* known = find_spelled(set, how)) return known->language;
    const LanguageId language = how(*this, set);
    if (spelled_.size() < kMostSpelled)
        spelled_.push_back({set, how, language});
    else
        spelled_[n_spelled_ % kMostSpelled] = {set, how, language};
    n_spelled_++;
    return language;
}

size_t Languages::n_bytes() const {
    size_t n_of_sets = 0;
    for (const Spelled& known : spelled_)
        n_of_sets += sizeof(Spelled) + known.set.ranges().size() * sizeof(CodePointRange);
    return n_of_sets + text_ids_.n_bytes() + expressions_.size() * sizeof(Expression) +
           ids_.n_bytes() + set_ids_.n_bytes() + parts_.size() * sizeof(LanguageId) +
           sets_.size() * sizeof(ByteSet) + n_text_bytes_ + texts_.size() * sizeof(std::string) +
           rows_.size() * sizeof(Row) + found_of_base_.size() * (sizeof(Found) + 32);
}

}  // namespace qwend::grammar
