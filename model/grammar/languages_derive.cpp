// What may follow a byte: derivatives of expressions, and the rows where they are noted.

#include <algorithm>
#include <optional>
#include <span>
#include <string>

#include "model/grammar/id_buffer.h"
#include "model/grammar/languages.h"

namespace qwend::grammar {

Languages::Derivative Languages::derive(LanguageId id, uint8_t byte) {
    if (work_left_-- == 0) {
        work_left_ = 0;
        throw GrammarError("it would take too long to find out what is asked for");
    }
    const Expression e = at(id);
    switch (e.kind) {
        case Kind::nothing:
        case Kind::empty:
            return {};
        case Kind::byte_in: {
            const ByteSet& set = set_at(e.a);
            const bool in = set.contains(byte);
            return {in ? kEmpty : kNothing, in ? set : set.complement()};
        }
        case Kind::sequence:
            return derive_sequence(id, byte);
        case Kind::either:
        case Kind::both: {
            IdBuffer buffer;
            const Ids parts(parts_of(e).begin(), parts_of(e).end(), &buffer.memory);
            return derive_parts(e.kind, parts, byte);
        }
        case Kind::complement: {
            Derivative of = derive(e.a, byte);
            of.to = complement(of.to);
            return of;
        }
        case Kind::repeat: {
            Derivative of = derive(e.a, byte);
            if (of.to == kNothing) return of;
            const uint32_t min = e.b > 0 ? e.b - 1 : 0;
            of.to = sequence(of.to, repeat(e.a, min, e.c == kUnbounded ? e.c : e.c - 1));
            return of;
        }
        case Kind::multiple_of:
            return derive_multiple(e, byte);
        case Kind::one_of:
            return derive_one_of(e, byte);
    }
    return {};
}

Languages::Derivative Languages::derive_parts(Kind kind, std::span<const uint32_t> parts,
                                              uint8_t byte) {
    Derivative out;
    IdBuffer buffer;
    Ids to(&buffer.memory);
    for (const uint32_t part : parts) {
        const Derivative of = derive(part, byte);
        out.same &= of.same;
        if (of.to == kNothing && kind == Kind::both) return {kNothing, of.same};
        if (of.to != kNothing) to.push_back(of.to);
    }
    out.to = kind == Kind::both ? both(to) : either(to);
    return out;
}

Languages::Derivative Languages::derive_sequence(LanguageId id, uint8_t byte) {
    // Each part is skipped as long as it may be empty.
    Derivative out;
    IdBuffer buffer;
    Ids to(&buffer.memory);
    for (;;) {
        const Expression e = at(id);
        const bool last = e.kind != Kind::sequence;
        const Derivative of = derive(last ? id : e.a, byte);
        out.same &= of.same;
        if (of.to != kNothing) to.push_back(last ? of.to : sequence(of.to, e.b));
        if (last || !at(e.a).has_empty) break;
        id = e.b;
    }
    out.to = either(to);
    return out;
}

Languages::Derivative Languages::derive_multiple(const Expression& e, uint8_t byte) {
    const uint32_t n_zeros = e.b / 2;
    const bool behind_point = e.b % 2;
    Derivative out;
    ByteSet known = ByteSet::range('0', '9');
    known.add('.');
    if (!known.contains(byte)) return {kNothing, known.complement()};
    out.same = {};
    out.same.add(byte);
    if (byte == '.' && !behind_point && n_zeros > 0) {
        out.to = multiple_of(e.a, n_zeros, e.c, true);
    } else if (byte >= '0' && byte <= '9' && !(behind_point && n_zeros == 0)) {
        const auto remainder = uint32_t((uint64_t(e.c) * 10 + (byte - '0')) % e.a);
        out.to = multiple_of(e.a, n_zeros - behind_point, remainder, behind_point);
    }
    return out;
}

Languages::Derivative Languages::derive_one_of(const Expression& e, uint8_t byte) {
    Derivative out;
    out.same = {};
    out.same.add(byte);
    const std::span<const std::string> texts(&text_at(e.a), e.b - e.a + 1);
    const auto rest = texts.subspan(e.has_empty);
    const auto byte_of = [&](const std::string& text) { return uint8_t(text[e.c]); };
    const auto begin = std::ranges::lower_bound(rest, byte, {}, byte_of);
    const auto end = std::ranges::upper_bound(rest, byte, {}, byte_of);
    if (begin != end) {
        const auto first = uint32_t(begin - rest.begin()) + e.a + e.has_empty;
        out.to = one_of(first, first + uint32_t(end - begin) - 1, e.c + 1);
        return out;
    }
    // Whatever none of them begins with leads nowhere as well.
    ByteSet firsts;
    for (auto at = rest.begin(); at != rest.end();) {
        firsts.add(byte_of(*at));
        at = std::ranges::upper_bound(at, rest.end(), byte_of(*at), {}, byte_of);
    }
    out.same = firsts.complement();
    return out;
}

LanguageId Languages::step(LanguageId id, uint8_t byte) {
    if (is_of_base(id)) {
        const int32_t of_base = base_->expressions_[id].row;
        const LanguageId known = of_base < 0 ? kUnknown : base_->rows_[size_t(of_base)][byte];
        if (known != kUnknown) return known;
    }
    int32_t row = is_of_base(id) ? found_of_base_[id].row : expressions_[id - n_base_].row;
    if (row < 0) {
        row = int32_t(rows_.size());
        rows_.emplace_back().fill(kUnknown);
        (is_of_base(id) ? found_of_base_[id].row : expressions_[id - n_base_].row) = row;
    }
    LanguageId& known = rows_[size_t(row)][byte];
    if (known != kUnknown) return known;
    const Derivative of = derive(id, byte);
    Row& cells = rows_[size_t(row)];
    of.same.for_each([&](uint8_t same) {
        if (cells[same] == kUnknown) cells[same] = of.to;
    });
    return of.to;
}

LanguageId Languages::peek(LanguageId id, uint8_t byte) {
    if (at(id).row >= 0) return after(id, byte);
    const LanguageId to = derive(id, byte).to;
    return is_empty(to) ? kNothing : to;
}

LanguageId Languages::find_after(LanguageId id, uint8_t byte) {
    const LanguageId to = step(id, byte);
    return is_empty(to) ? kNothing : to;
}

std::optional<uint8_t> Languages::only_first_byte(LanguageId id) {
    std::optional<uint8_t> only;
    ByteSet tried;
    for (int byte = 0; (byte = tried.first_missing()) <= 255;) {
        const Derivative of = derive(id, uint8_t(byte));
        if (!is_empty(of.to)) {
            int n = 0;
            of.same.for_each([&](uint8_t same) { n += !tried.contains(same); });
            if (only || n > 1) return std::nullopt;
            only = uint8_t(byte);
        }
        tried |= of.same;
    }
    return only;
}

bool Languages::contains(LanguageId id, std::string_view text) {
    for (const char c : text) {
        id = step(id, uint8_t(c));
        if (id == kNothing) return false;
    }
    return has_empty(id);
}

}  // namespace qwend::grammar
