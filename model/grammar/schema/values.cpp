#include <algorithm>

#include "model/grammar/schema/expansion.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

namespace {

std::string quoted(const JsonValue& value) {
    std::string text;
    value.get(text);
    return '"' + json_body(text) + '"';
}

/// Nothing of those that are large.
std::optional<int64_t> whole_part(const std::optional<NumberBound>& bound) {
    if (!bound || bound->value.integer.size() > 15) return {};
    const Decimal& number = bound->value;
    const int64_t whole = std::stoll(number.integer);
    return number.negative ? -whole : whole;
}

std::string canonical_number(std::string_view raw) {
    const auto decimal = parse_decimal(raw);
    if (!decimal) return std::string(raw);
    std::string out = decimal->negative ? "-" : "";
    out += decimal->integer;
    if (!decimal->fraction.empty()) out += "." + decimal->fraction;
    return out;
}

template <class Write>
std::string joined(const JsonValue& value, bool sorted, Write&& write) {
    std::vector<std::string> parts;
    for (const JsonValue& element : value.elements()) parts.push_back(write(element));
    for (const auto& [name, member] : value.members())
        parts.push_back('"' + json_body(name) + "\":" + write(member));
    if (sorted && value.is_object()) std::ranges::sort(parts);
    std::string out(1, value.is_array() ? '[' : '{');
    for (size_t i = 0; i < parts.size(); i++) out += (i ? "," : "") + parts[i];
    return out + (value.is_array() ? ']' : '}');
}

}  // namespace

std::optional<ValueTexts> Expansion::texts_of(const Terms& terms) {
    ValueTexts all;
    for (const Branch& branch : std::vector<Branch>(branches(terms))) {
        std::optional<ValueTexts> texts = texts_of(branch);
        if (!texts) return {};
        all.merge(*texts);
    }
    if (all.size() > Node::kMaxUnique) return {};
    return all;
}

std::optional<ValueTexts> Expansion::texts_of(const Branch& branch) {
    constexpr uint8_t kFew = types::kNull | types::kBoolean | types::kNumber;
    ValueTexts all;
    if (branch.values) {
        for (const JsonValue& value : *branch.values) all.emplace(canonical(value), compact(value));
        return all;
    }
    if (branch.types & ~kFew) return {};
    for (const auto& [type, word] :
         {std::pair{types::kNull, "null"}, {types::kTrue, "true"}, {types::kFalse, "false"}})
        if (branch.types & type) all.emplace(word, word);
    if (branch.types & types::kNumber) {
        const NumberLimits& limits = branch.number;
        const int64_t from = whole_part(limits.min).value_or(INT64_MIN / 2);
        const int64_t to = whole_part(limits.max).value_or(INT64_MAX / 2);
        if (!limits.integer || to - from > int64_t(Node::kMaxUnique)) return {};
        const LanguageId numbers = number_language(languages_, limits);
        for (int64_t i = from - 1; i <= to + 1; i++)
            if (const auto text = std::to_string(i); languages_.contains(numbers, text))
                all.emplace(text, text);
    }
    for (const JsonValue& value : branch.excluded) all.erase(canonical(value));
    return all;
}

std::string canonical(const JsonValue& value) {
    if (value.is_string()) return quoted(value);
    if (value.is_number()) return canonical_number(value.raw());
    if (!value.is_array() && !value.is_object()) return std::string(value.raw());
    return joined(value, true, canonical);
}

std::string compact(const JsonValue& value) {
    if (value.is_string()) return quoted(value);
    if (!value.is_array() && !value.is_object()) return std::string(value.raw());
    return joined(value, false, compact);
}

}  // namespace qwend::grammar
