#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/languages.h"

namespace qwend::grammar {

/// A number as its decimal digits, exactly: no leading zero in `integer` but for "0", no trailing
/// one in `fraction`. There is no negative zero.
struct Decimal {
    bool negative = false;
    std::string integer = "0", fraction;

    bool is_zero() const { return integer == "0" && fraction.empty(); }
    bool operator==(const Decimal&) const = default;
};

/// Of a JSON number; nothing if it has more than some hundred digits written out.
std::optional<Decimal> parse_decimal(std::string_view json);
/// Negative, zero or positive, as a is less than, equal to or greater than b.
int compare(const Decimal& a, const Decimal& b);

struct NumberBound {
    Decimal value;
    bool exclusive = false;

    bool operator==(const NumberBound&) const = default;
};

/// Which numbers are meant; each has a bounded number of digits, since a model may go on with them
/// for ever.
struct NumberLimits {
    bool integer = false;
    std::optional<NumberBound> min{}, max{};
    std::vector<Decimal> excluded{};
    std::vector<Decimal> multiples_of{};      // all of them; each above 0
    std::vector<Decimal> not_multiples_of{};  // none of them; likewise
};

/// The numbers in JSON: integers without a point, others with a point if need be, and an exponent
/// only if nothing else is asked for. Throws GrammarError for a multiple that is not possible.
LanguageId number_language(Languages& languages, const NumberLimits& limits);

}  // namespace qwend::grammar
