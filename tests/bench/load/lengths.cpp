#include "tests/bench/load/lengths.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>
#include <vector>

namespace qwend::load {

namespace {

constexpr int kMostTokens = 1 << 24;  // of one prompt or answer

/// The whole of the text as a number, or nothing.
template <class Number>
std::optional<Number> number_of(std::string_view text) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || at != end) return std::nullopt;
    return value;
}

std::optional<int> length_of(std::string_view text) {
    const auto n = number_of<int>(text);
    return n && *n >= 1 && *n <= kMostTokens ? n : std::nullopt;
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    for (size_t colon; (colon = text.find(':')) != text.npos; text.remove_prefix(colon + 1))
        parts.push_back(text.substr(0, colon));
    parts.push_back(text);
    return parts;
}

std::optional<Lengths> parse_lognormal(const std::vector<std::string_view>& parts) {
    if (parts.size() != 3 && parts.size() != 4) return std::nullopt;
    const auto average = number_of<double>(parts[1]), ratio = number_of<double>(parts[2]);
    const auto most = parts.size() == 4 ? length_of(parts[3]) : kMostTokens;
    if (!average || !ratio || !most) return std::nullopt;
    if (!(*average >= 1 && *average <= kMostTokens && *ratio > 0 && *ratio < 1))
        return std::nullopt;
    return Lengths{Lengths::Kind::lognormal, 1, *most, *average, *ratio};
}

}  // namespace

int Lengths::draw(std::mt19937_64& random) const {
    if (kind == Kind::fixed) return least;
    if (kind == Kind::uniform) return std::uniform_int_distribution<int>(least, most)(random);
    // Of a lognormal distribution the median is exp(mu) and the average exp(mu + sigma^2 / 2).
    const double mu = std::log(average * median_ratio),
                 sigma = std::sqrt(-2 * std::log(median_ratio));
    const double drawn = std::round(std::lognormal_distribution<double>(mu, sigma)(random));
    return int(std::clamp(drawn, double(least), double(most)));
}

Lengths Lengths::spread(double ratio) const {
    if (kind != Kind::fixed || ratio <= 0) return *this;
    constexpr double kRounding = 1e-9;  // 50 * 1.1 is more than 55
    return uniform(std::max(1, int(std::floor(least * (1 - ratio) + kRounding))),
                   int(std::ceil(least * (1 + ratio) - kRounding)));
}

std::optional<Lengths> parse_lengths(std::string_view text) {
    const auto parts = split(text);
    if (parts.size() == 1) {
        const auto n = length_of(text);
        return n ? std::optional(Lengths::fixed(*n)) : std::nullopt;
    }
    if (parts[0] == "lognormal") return parse_lognormal(parts);
    if (parts[0] != "uniform" || parts.size() != 3) return std::nullopt;
    const auto least = length_of(parts[1]), most = length_of(parts[2]);
    if (!least || !most || *least > *most) return std::nullopt;
    return Lengths::uniform(*least, *most);
}

}  // namespace qwend::load
