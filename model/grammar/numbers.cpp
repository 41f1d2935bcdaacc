#include "model/grammar/numbers.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace qwend::grammar {

namespace {

constexpr size_t kMaxWrittenDigits = 400;  // of a bound in a schema
constexpr uint32_t kMaxDigits = 20;        // of what is generated, unless a bound has more
constexpr uint32_t kMostDivisor = 20'000;  // as many states has its automaton

/// Languages of unsigned numbers.
class Unsigned {
  public:
    /// `max_digits`: before the point, and behind it.
    Unsigned(Languages& languages, uint32_t max_digits) : l_(languages), max_digits_(max_digits) {}

    LanguageId any(bool exponent);
    LanguageId integer();
    /// Those from `bound` on, or up to it, whose sign is ignored.
    LanguageId from(const Decimal& bound, bool exclusive);
    LanguageId up_to(const Decimal& bound, bool exclusive);

  private:
    LanguageId digit(int first, int last) {
        if (first > last) return Languages::kNothing;
        return l_.byte_in(ByteSet::range('0' + first, '0' + last));
    }
    LanguageId digits(uint32_t min, uint32_t max) { return l_.repeat(digit(0, 9), min, max); }
    LanguageId fraction() {
        return l_.optional(l_.sequence(l_.literal("."), digits(1, max_digits_)));
    }
    /// What begins as `text` does up to `at`, and then has a digit that is higher, or lower.
    LanguageId differs(std::string_view text, size_t at, bool higher, LanguageId rest);
    LanguageId not_zero_fraction(LanguageId before);

    Languages& l_;
    uint32_t max_digits_;
};

LanguageId Unsigned::integer() {
    return l_.either({l_.literal("0"), l_.sequence(digit(1, 9), digits(0, max_digits_ - 1))});
}

LanguageId Unsigned::any(bool exponent) {
    const LanguageId plain = l_.sequence(integer(), fraction());
    if (!exponent) return plain;
    ByteSet e, sign;
    for (const char c : {'e', 'E'}) e.add(uint8_t(c));
    for (const char c : {'+', '-'}) sign.add(uint8_t(c));
    return l_.sequence(
        plain,
        l_.optional(l_.sequence({l_.byte_in(e), l_.optional(l_.byte_in(sign)), digits(1, 3)})));
}

LanguageId Unsigned::differs(std::string_view text, size_t at, bool higher, LanguageId rest) {
    const int own = text[at] - '0';
    const LanguageId other = higher ? digit(own + 1, 9) : digit(0, own - 1);
    return l_.sequence({l_.literal(text.substr(0, at)), other, rest});
}

/// `before`, then digits of which one is not 0.
LanguageId Unsigned::not_zero_fraction(LanguageId before) {
    return l_.sequence(
        {before, l_.repeat(l_.literal("0"), 0, max_digits_), digit(1, 9), digits(0, max_digits_)});
}

LanguageId Unsigned::from(const Decimal& bound, bool exclusive) {
    const std::string_view whole = bound.integer, part = bound.fraction;
    const auto n = uint32_t(whole.size());
    std::vector<LanguageId> ways;
    if (n < max_digits_)  // more digits
        ways.push_back(l_.sequence({digit(1, 9), digits(n, max_digits_ - 1), fraction()}));
    for (uint32_t i = 0; i < n; i++)
        ways.push_back(
            differs(whole, i, true, l_.sequence(digits(n - i - 1, n - i - 1), fraction())));

    const LanguageId equal = l_.literal(whole), with_point = l_.sequence(equal, l_.literal("."));
    const LanguageId all_of = l_.sequence(with_point, l_.literal(part));
    for (size_t i = 0; i < part.size(); i++)
        ways.push_back(l_.sequence(with_point, differs(part, i, true, digits(0, max_digits_))));
    if (exclusive)
        ways.push_back(not_zero_fraction(all_of));
    else if (part.empty())
        ways.push_back(l_.sequence(equal, fraction()));
    else
        ways.push_back(l_.sequence(all_of, digits(0, max_digits_)));
    return l_.either(std::move(ways));
}

LanguageId Unsigned::up_to(const Decimal& bound, bool exclusive) {
    const std::string_view whole = bound.integer, part = bound.fraction;
    const auto n = uint32_t(whole.size());
    std::vector<LanguageId> ways;
    if (n > 1)  // fewer digits
        ways.push_back(l_.sequence(
            l_.either({l_.literal("0"), l_.sequence(digit(1, 9), digits(0, n - 2))}), fraction()));
    for (uint32_t i = 0; i < n; i++) {
        const int own = whole[i] - '0', least = i == 0 && n > 1 ? 1 : 0;
        ways.push_back(l_.sequence({l_.literal(whole.substr(0, i)), digit(least, own - 1),
                                    digits(n - i - 1, n - i - 1), fraction()}));
    }

    const LanguageId equal = l_.literal(whole), with_point = l_.sequence(equal, l_.literal("."));
    for (size_t i = 0; i < part.size(); i++) {  // shorter, or lower
        ways.push_back(i == 0 ? equal : l_.sequence(with_point, l_.literal(part.substr(0, i))));
        ways.push_back(l_.sequence(with_point, differs(part, i, false, digits(0, max_digits_))));
    }
    if (!exclusive) {
        const LanguageId zeros = l_.repeat(l_.literal("0"), part.empty() ? 1 : 0, max_digits_);
        ways.push_back(l_.sequence({with_point, l_.literal(part), zeros}));
        if (part.empty()) ways.push_back(equal);
    }
    return l_.either(std::move(ways));
}

/// All ways to write it without exponent and sign.
LanguageId spellings(Languages& languages, const Decimal& value) {
    const LanguageId zeros = languages.repeat(languages.literal("0"), 0);
    const LanguageId whole = languages.literal(value.integer);
    const LanguageId fraction =
        languages.sequence({languages.literal("."), languages.literal(value.fraction), zeros});
    return languages.sequence(whole,
                              value.fraction.empty() ? languages.optional(fraction) : fraction);
}

/// Digits whose number, with the sign ignored, is a multiple.
LanguageId multiples(Languages& languages, const Decimal& of) {
    std::string digits = of.integer == "0" ? "" : of.integer;
    digits += of.fraction;
    uint64_t divisor = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), divisor);
    if (error != std::errc() || end != digits.data() + digits.size() || divisor > kMostDivisor ||
        of.fraction.size() > kMaxDigits)
        throw GrammarError("multipleOf is possible up to " + std::to_string(kMostDivisor) +
                           " units of its last decimal");
    return languages.multiple_of(uint32_t(divisor), uint32_t(of.fraction.size()));
}

/// The same however it is written, without exponent: with as many zeros behind it. Those behind a
/// whole number make it ten times as much, which is a multiple as well.
LanguageId spelled_multiples(Languages& languages, const Decimal& of) {
    const LanguageId zeros = languages.repeat(languages.literal("0"), 0);
    return languages.sequence(
        {multiples(languages, of), zeros,
         languages.optional(languages.sequence(languages.literal("."), zeros))});
}

}  // namespace

std::optional<Decimal> parse_decimal(std::string_view json) {
    Decimal out;
    size_t at = 0;
    if (at < json.size() && json[at] == '-') out.negative = true, at++;
    std::string digits;
    long point = -1;  // digits before it
    for (; at < json.size() && json[at] != 'e' && json[at] != 'E'; at++) {
        if (json[at] == '.')
            point = long(digits.size());
        else
            digits += json[at];
    }
    if (point < 0) point = long(digits.size());
    if (at < json.size()) {
        at++;
        if (at < json.size() && json[at] == '+') at++;
        long exponent = 0;
        const auto [end, error] =
            std::from_chars(json.data() + at, json.data() + json.size(), exponent);
        if (error != std::errc() || end != json.data() + json.size()) return {};
        if (std::abs(exponent) > long(kMaxWrittenDigits)) return {};
        point += exponent;
    }
    if (point < 0) digits.insert(0, size_t(-point), '0'), point = 0;
    if (size_t(point) > digits.size()) digits.append(size_t(point) - digits.size(), '0');
    if (digits.size() > kMaxWrittenDigits) return {};
    out.integer = digits.substr(0, size_t(point));
    out.fraction = digits.substr(size_t(point));
    out.integer.erase(0, std::min(out.integer.find_first_not_of('0'), out.integer.size()));
    if (out.integer.empty()) out.integer = "0";
    out.fraction.erase(out.fraction.find_last_not_of('0') + 1);
    if (out.is_zero()) out.negative = false;
    return out;
}

int compare(const Decimal& a, const Decimal& b) {
    if (a.negative != b.negative) return a.negative ? -1 : 1;
    int magnitude = 0;
    if (a.integer.size() != b.integer.size())
        magnitude = a.integer.size() < b.integer.size() ? -1 : 1;
    else if (const int whole = a.integer.compare(b.integer))
        magnitude = whole;
    else
        magnitude = a.fraction.compare(b.fraction);  // a prefix is less
    return a.negative ? -magnitude : magnitude;
}

LanguageId number_language(Languages& languages, const NumberLimits& limits) {
    uint32_t max_digits = kMaxDigits;
    for (const auto& bound : {limits.min, limits.max})
        if (bound)
            max_digits = std::max({max_digits, uint32_t(bound->value.integer.size()),
                                   uint32_t(bound->value.fraction.size())});
    Unsigned number(languages, max_digits);
    const bool unlimited = !limits.min && !limits.max && limits.multiples_of.empty() &&
                           limits.excluded.empty() && limits.not_multiples_of.empty();
    const LanguageId minus = languages.literal("-");
    std::vector<LanguageId> of_either_sign;
    for (const Decimal& of : limits.multiples_of)
        of_either_sign.push_back(multiples(languages, of));
    for (const Decimal& of : limits.not_multiples_of)
        of_either_sign.push_back(languages.complement(spelled_multiples(languages, of)));
    if (limits.integer) of_either_sign.push_back(number.integer());
    if (unlimited && !limits.integer) {
        const LanguageId any = number.any(true);
        return languages.sequence(languages.optional(minus), any);
    }

    auto above_zero = of_either_sign, below_zero = of_either_sign;
    below_zero.push_back(number.from({}, true));
    if (!limits.integer) above_zero.push_back(number.any(false));
    if (limits.min) {
        const NumberBound& min = *limits.min;
        if (!min.value.negative) {
            above_zero.push_back(number.from(min.value, min.exclusive));
            below_zero.push_back(Languages::kNothing);
        } else {
            below_zero.push_back(number.up_to(min.value, min.exclusive));
        }
    }
    if (limits.max) {
        const NumberBound& max = *limits.max;
        if (max.value.negative) {
            above_zero.push_back(Languages::kNothing);
            below_zero.push_back(number.from(max.value, max.exclusive));
        } else {
            above_zero.push_back(number.up_to(max.value, max.exclusive));
        }
    }
    for (const Decimal& value : limits.excluded)
        (value.negative ? below_zero : above_zero)
            .push_back(languages.complement(spellings(languages, value)));
    return languages.either({languages.both(std::move(above_zero)),
                             languages.sequence(minus, languages.both(std::move(below_zero)))});
}

}  // namespace qwend::grammar
