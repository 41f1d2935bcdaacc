#pragma once

#include <optional>
#include <random>
#include <string_view>

namespace qwend::load {

/// How many tokens prompts have, or answers.
struct Lengths {
    enum class Kind { fixed, uniform, lognormal };
    Kind kind = Kind::fixed;
    int least = 1, most = 1;  // both included; a fixed length is both
    double average = 0;       // lognormal: of the whole distribution, before it is cut at `most`
    double median_ratio = 0;  // lognormal: the median, of the average; in (0, 1)

    static Lengths fixed(int n) { return {Kind::fixed, n, n, 0, 0}; }
    static Lengths uniform(int least, int most) { return {Kind::uniform, least, most, 0, 0}; }

    int draw(std::mt19937_64& random) const;
    /// A fixed length made uniform in length * (1 ± ratio), ratio in [0, 1); others as they are.
    Lengths spread(double ratio) const;
};

/// What parse_lengths() takes, for messages.
inline constexpr const char* kLengthsForm =
    "N, uniform:LEAST:MOST or lognormal:AVERAGE:RATIO[:MOST]";

/// The parameters are those of vLLM's benchmark of conversations. Nothing for any other text.
std::optional<Lengths> parse_lengths(std::string_view text);

}  // namespace qwend::load
