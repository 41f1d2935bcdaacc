#include "daemon/option_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "model/utf8.h"
#include "net/address.h"

namespace qwend {

namespace {

constexpr std::string_view kExpected = "expected ";
constexpr size_t kMaxMessage = 256;  // bytes of what CLI11 says, which may quote a value

std::string expected(std::string_view what, std::string_view found) {
    return fmt::format("{}{}, found \"{}\"", kExpected, what, excerpt(found));
}

/// The whole of the text, or nothing.
template <class T>
std::optional<T> parse_number(std::string_view text) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || at != end) return std::nullopt;
    return value;
}

/// 512, 8K, 8k, 8M, 8MB, 8MiB; nothing for what is no size, or does not fit.
std::optional<uint64_t> parse_size(std::string_view text) {
    size_t n_digits = 0;
    while (n_digits < text.size() && text[n_digits] >= '0' && text[n_digits] <= '9') n_digits++;
    const auto value = parse_number<uint64_t>(text.substr(0, n_digits));
    if (!value) return std::nullopt;
    std::string unit;
    for (char c : text.substr(n_digits)) unit += char(std::tolower(uint8_t(c)));
    if (unit.ends_with('b')) unit.pop_back();
    if (unit.size() == 2 && unit[1] == 'i') unit.pop_back();
    constexpr std::string_view kUnits = "kmgt";
    if (unit.empty()) return value;
    const size_t power = unit.size() == 1 ? kUnits.find(unit[0]) : kUnits.npos;
    if (power == kUnits.npos) return std::nullopt;
    const unsigned shift = 10 * unsigned(power + 1);
    if (*value > std::numeric_limits<uint64_t>::max() >> shift) return std::nullopt;
    return *value << shift;
}

std::string size_text(uint64_t n_bytes) {
    constexpr std::string_view kUnits = "KMGT";
    size_t power = 0;
    while (power < kUnits.size() && n_bytes >= 1024 && n_bytes % 1024 == 0)
        n_bytes /= 1024, power++;
    return power == 0 ? std::to_string(n_bytes) : fmt::format("{}{}", n_bytes, kUnits[power - 1]);
}

}  // namespace

CLI::Validator whole_number(int64_t least, int64_t most) {
    return {[=](std::string& text) {
                const auto value = parse_number<int64_t>(text);
                if (value && *value >= least && *value <= most) return std::string();
                return expected(fmt::format("a whole number from {} to {}", least, most), text);
            },
            "NUMBER"};
}

CLI::Validator number(double least, double most, std::string_view unit) {
    return {[=, unit = std::string(unit)](std::string& text) {
                const auto value = parse_number<double>(text);
                if (value && *value >= least && *value <= most) return std::string();  // NaN is not
                return expected(fmt::format("a number{} from {} to {}", unit, least, most), text);
            },
            "NUMBER"};
}

CLI::Validator seconds() {
    return number(0.001, 1e9, " of seconds").description("SECONDS");
}

CLI::Validator size_in_bytes(uint64_t least, uint64_t most, bool or_zero) {
    return {[=](std::string& text) {
                const auto value = parse_size(text);
                if (!value || (*value < least && !(or_zero && *value == 0)) || *value > most)
                    return expected(
                        fmt::format("a size in bytes, or like 512M or 4G, from {} to {}{}",
                                    size_text(least), size_text(most), or_zero ? ", or 0" : ""),
                        text);
                text = std::to_string(*value);
                return std::string();
            },
            "SIZE"};
}

CLI::Validator one_of(std::initializer_list<const char*> choices) {
    const std::vector<std::string> all(choices.begin(), choices.end());
    return {[all](std::string& text) {
                if (std::find(all.begin(), all.end(), text) != all.end()) return std::string();
                return expected(fmt::format("one of {}", fmt::join(all, ", ")), text);
            },
            "WORD"};
}

CLI::Validator not_empty(std::string_view what) {
    return {[what = std::string(what)](std::string& text) {
                if (text.find_first_not_of(" \t\r\n") != text.npos) return std::string();
                return expected(what, text);
            },
            "TEXT"};
}

CLI::Validator listen_address() {
    return {[](std::string& text) {
                ListenAddress parsed;
                return parse_listen_address(text, parsed);
            },
            "ADDRESS"};
}

std::string default_of(const CLI::Option& option) {
    const std::string text = option.get_default_str();
    return text == "[]" || text == "{}" ? std::string() : text;
}

std::string message_of(const CLI::Error& error) {
    const std::string text = error.what();
    const size_t at = text.find(kExpected);
    return at == text.npos ? excerpt(text, kMaxMessage) : text.substr(at);
}

}  // namespace qwend
