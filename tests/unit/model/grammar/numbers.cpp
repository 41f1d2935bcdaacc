#include "model/grammar/numbers.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace qwend::grammar;

namespace {

Decimal decimal(const std::string& text) {
    const auto out = parse_decimal(text);
    REQUIRE(out);
    return *out;
}

bool has(const NumberLimits& limits, const std::string& text) {
    Languages languages;
    return languages.contains(number_language(languages, limits), text);
}

/// A number of thousandths, written with so many decimals.
std::string written(long thousandths, int n_decimals) {
    std::string digits = std::to_string(std::abs(thousandths));
    if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
    digits.insert(digits.size() - 3, ".");
    digits.resize(digits.size() - 3 + size_t(n_decimals));
    if (n_decimals == 0) digits.pop_back();
    return (thousandths < 0 ? "-" : "") + digits;
}

}  // namespace

TEST_CASE("numbers: decimals are read as JSON writes them") {
    CHECK(decimal("-12.50") == Decimal{true, "12", "5"});
    CHECK(decimal("1e3") == Decimal{false, "1000", ""});
    CHECK(decimal("125E-2") == Decimal{false, "1", "25"});
    CHECK(decimal("1.25e+1") == Decimal{false, "12", "5"});
    CHECK(decimal("0.001e-2") == Decimal{false, "0", "00001"});
    CHECK(decimal("-0.0") == Decimal{});
    CHECK_FALSE(parse_decimal("1e999999999999"));
    CHECK_FALSE(parse_decimal("1e-5000"));
    CHECK_FALSE(parse_decimal(std::string(1000, '1')));
}

TEST_CASE("numbers: they compare as their values do") {
    const char* ascending[] = {"-1000", "-12.5", "-12.45", "-1", "-0.001", "0",   "0.001",
                               "0.01",  "1",     "1.05",   "9",  "10",     "10.1"};
    for (size_t a = 0; a < std::size(ascending); a++)
        for (size_t b = 0; b < std::size(ascending); b++) {
            const int order = compare(decimal(ascending[a]), decimal(ascending[b]));
            CHECK((order < 0) == (a < b));
            CHECK((order == 0) == (a == b));
        }
}

TEST_CASE("numbers: without a bound they are JSON's, of as many digits as are enough") {
    for (const char* text :
         {"0", "-0", "7", "-12", "0.5", "1e5", "1.25E-10", "12345678901234567890"})
        CHECK(has({}, text));
    for (const char* text : {"", "-", "01", ".5", "1.", "+1", "1e", "1e1000", "0x1", "1 ",
                             "123456789012345678901", "NaN"})
        CHECK_FALSE(has({}, text));
    for (const char* text : {"0", "7", "-12", "100"}) CHECK(has({.integer = true}, text));
    for (const char* text : {"-0", "1.0", "1e2", "", "-"})
        CHECK_FALSE(has({.integer = true}, text));
}

TEST_CASE("numbers: what is within the limits is taken, and nothing else") {
    std::mt19937 random(std::random_device{}());
    auto one_in = [&](int n) { return random() % unsigned(n) == 0; };
    auto value = [&] {
        const long most = one_in(2) ? 3'000 : one_in(2) ? 30'000 : 3'000'000;
        long out = long(random() % unsigned(2 * most)) - most;
        if (one_in(2)) out = out / 1000 * 1000;
        return out;
    };
    for (int round = 0; round < 300; round++) {
        NumberLimits limits{.integer = one_in(2)};
        std::optional<long> min, max, multiple;
        if (one_in(2)) {
            min = value();
            limits.min = NumberBound{decimal(written(*min, 3)), one_in(2)};
        }
        if (one_in(2)) {
            max = value();
            limits.max = NumberBound{decimal(written(*max, 3)), one_in(2)};
        }
        if (one_in(3)) {
            multiple = 1 + long(random() % 10'000);
            limits.multiples_of = {decimal(written(*multiple, 3))};
        }
        Languages languages;
        const LanguageId language = number_language(languages, limits);
        bool any = false;
        for (int i = 0; i < 300; i++) {
            long x = value();
            if (min && one_in(3)) x = *min + long(random() % 5) - 2;
            if (max && one_in(3)) x = *max + long(random() % 5) - 2;
            if (multiple && one_in(2)) x = x / *multiple * *multiple;
            const int n_decimals = x % 1000 == 0 && one_in(2) ? 0 : 3;
            const std::string text = written(x, n_decimals);
            bool within = !limits.integer || n_decimals == 0;
            if (min) within = within && (limits.min->exclusive ? x > *min : x >= *min);
            if (max) within = within && (limits.max->exclusive ? x < *max : x <= *max);
            if (multiple) within = within && x % *multiple == 0;
            // Digits behind the last decimal of the multiple are left out, though they were zeros.
            if (multiple && n_decimals > 0 && limits.multiples_of[0].fraction.size() < 3) continue;
            if (x == 0 && text[0] == '-') continue;
            CAPTURE(text);
            CAPTURE(written(min.value_or(0), 3));
            CAPTURE(written(max.value_or(0), 3));
            CAPTURE(multiple.value_or(0));
            CHECK(languages.contains(language, text) == within);
            any = any || within;
        }
        if (any) CHECK_FALSE(languages.is_empty(language));
        if (min && max && *min > *max) CHECK(languages.is_empty(language));
    }
}

TEST_CASE("numbers: bounds of any size, and the multiples that are not possible") {
    const std::string big = "123456789012345678901234567890";
    NumberLimits from{.integer = false, .min = NumberBound{decimal(big), false}};
    CHECK(has(from, big));
    CHECK(has(from, big + ".5"));
    CHECK_FALSE(has(from, "123456789012345678901234567889"));
    CHECK_FALSE(has(from, "99"));
    NumberLimits up_to{.integer = true, .max = NumberBound{decimal("1e20"), true}};
    CHECK(has(up_to, "99999999999999999999"));
    CHECK_FALSE(has(up_to, "100000000000000000000"));
    CHECK_THROWS_AS((void)has({.multiples_of = {decimal("123457")}}, "0"), GrammarError);
}
