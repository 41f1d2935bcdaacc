// Keywords that limit a value and make no choice: each narrows what a branch has.

#include <algorithm>

#include "model/grammar/common_languages.h"
#include "model/grammar/regex_syntax.h"
#include "model/grammar/regular.h"
#include "model/grammar/schema/expansion.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

void Expansion::apply_limit(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft) {
    Branch& branch = draft.branch;
    switch (keyword) {
        case Keyword::type:
            return apply_type(id, value, branch);
        case Keyword::enum_:
        case Keyword::const_:
            return apply_values(keyword, value, branch);
        case Keyword::minimum:
        case Keyword::maximum:
        case Keyword::exclusive_minimum:
        case Keyword::exclusive_maximum:
        case Keyword::multiple_of:
            if (bool flag; value.get(flag)) {
                if (flag) apply_exclusive_flag(id, keyword, branch);
                return;
            }
            return apply_number(keyword, value, branch);
        case Keyword::min_length:
        case Keyword::max_length:
        case Keyword::min_items:
        case Keyword::max_items:
        case Keyword::min_properties:
        case Keyword::max_properties:
            return apply_size(keyword, value, branch);
        case Keyword::pattern:
        case Keyword::format:
            return apply_string(keyword, value, branch);
        case Keyword::items:
        case Keyword::prefix_items:
        case Keyword::unique_items:
        case Keyword::contains:
            return apply_elements(id, keyword, value, draft);
        default:  // a reference, and what others look at
            return;
    }
}

void Expansion::apply_elements(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft) {
    Branch& branch = draft.branch;
    if (keyword == Keyword::unique_items) {
        if (bool flag; value.get(flag) && flag) branch.unique = value;
        return;
    }
    if (keyword == Keyword::contains) {
        const auto [min, max] = contained_bounds(id);
        const Term term{.schema = document_.id_of(value)};
        return limit_contained({term, min, max, value, false}, draft);
    }
    draft.note_seen(id);
    if (std::ranges::find(branch.arrays, id) == branch.arrays.end()) branch.arrays.push_back(id);
}

/// How many elements `contains` asks for, at least and at most.
std::pair<uint32_t, uint32_t> Expansion::contained_bounds(SchemaId id) {
    std::pair<uint32_t, uint32_t> bounds{1, kUnbounded};
    if (document_.is_old()) return bounds;
    const SchemaDocument::Schema& schema = document_.schema(id);
    if (const auto min = schema.find(Keyword::min_contains)) bounds.first = count(*min);
    if (const auto max = schema.find(Keyword::max_contains)) bounds.second = count(*max);
    return bounds;
}

void Expansion::limit_contained(Contained more, Draft& draft) {
    Branch& branch = draft.branch;
    auto at = std::ranges::find(branch.contains, more.term, &Contained::term);
    if (at == branch.contains.end()) at = branch.contains.insert(at, more);
    at->is_denial = at->is_denial || more.is_denial;
    at->min = std::max(at->min, more.min), at->max = std::min(at->max, more.max);
    if (at->min > at->max) branch.types &= uint8_t(~types::kArray);
    bool is_seen = false;
    draft.for_each_that_sees([&](Unevaluated& each) {
        if (document_.contained_is_seen()) add_term(each.contained, more.term);
        is_seen = is_seen || each.keyword == Keyword::unevaluated_items;
    });
    if (at->max == 0) add_term(branch.of_elements, denied(at->term));
    if (at->max == 0 || (at->min == 0 && at->max == kUnbounded && !is_seen))
        branch.contains.erase(at);
}

void Expansion::apply_values(Keyword keyword, const JsonValue& value, Branch& branch) {
    if (keyword == Keyword::const_) return limit_values({value}, branch);
    std::vector<JsonValue> values;
    for (const JsonValue& element : value.elements()) values.push_back(element);
    limit_values(std::move(values), branch);
}

void Expansion::apply_type(SchemaId id, const JsonValue& value, Branch& branch) {
    bool nullable = false;  // OpenAPI's
    if (const auto beside = document_.schema(id).find(Keyword::nullable)) beside->get(nullable);
    uint8_t mask = nullable ? types::kNull : 0;
    bool integer = false, number = false;
    auto add = [&](const JsonValue& name_value) {
        std::string name;
        name_value.get(name);
        integer = integer || name == "integer";
        number = number || name == "number";
        const uint8_t bits = name == "null"                          ? types::kNull
                             : name == "boolean"                     ? types::kBoolean
                             : name == "number" || name == "integer" ? types::kNumber
                             : name == "string"                      ? types::kString
                             : name == "array"                       ? types::kArray
                                                                     : types::kObject;
        mask |= bits;
    };
    if (value.is_array())
        for (const JsonValue& element : value.elements()) add(element);
    else
        add(value);
    branch.types &= mask;
    if (integer && !number) branch.number.integer = true;
}

void Expansion::limit_values(std::vector<JsonValue> values, Branch& branch) {
    if (branch.values) {
        std::set<std::string> others;
        for (const JsonValue& other : *branch.values) others.insert(canonical(other));
        std::erase_if(values,
                      [&](const JsonValue& value) { return !others.contains(canonical(value)); });
    }
    // What types are among them is known at once, which makes an end of most choices.
    std::erase_if(values, [&](const JsonValue& value) { return !(branch.types & type_of(value)); });
    branch.values = std::move(values);
}

uint32_t Expansion::count(const JsonValue& value) {
    constexpr uint32_t kMost = 1'000'000'000;
    const Decimal number = decimal(value);
    return number.integer.size() > 9 ? kMost : uint32_t(std::stoul(number.integer));
}

Decimal Expansion::decimal(const JsonValue& value) {
    const auto number = parse_decimal(value.raw());
    if (!number) document_.fail(value, "the number has too many digits");
    return *number;
}

namespace {

void raise(std::optional<NumberBound>& min, const NumberBound& to) {
    const int order = min ? compare(to.value, min->value) : 1;
    if (order > 0 || (order == 0 && to.exclusive)) min = to;
}

void lower(std::optional<NumberBound>& max, const NumberBound& to) {
    const int order = max ? compare(to.value, max->value) : -1;
    if (order < 0 || (order == 0 && to.exclusive)) max = to;
}

}  // namespace

void Expansion::apply_number(Keyword keyword, const JsonValue& value, Branch& branch) {
    NumberLimits& limits = branch.number;
    const Decimal number = decimal(value);
    switch (keyword) {
        case Keyword::minimum:
            return raise(limits.min, {number, false});
        case Keyword::exclusive_minimum:
            return raise(limits.min, {number, true});
        case Keyword::maximum:
            return lower(limits.max, {number, false});
        case Keyword::exclusive_maximum:
            return lower(limits.max, {number, true});
        default:
            break;
    }
    if (std::ranges::find(limits.multiples_of, number) == limits.multiples_of.end())
        limits.multiples_of.push_back(number);
}

/// Draft 4 has a boolean that makes the bound beside it exclusive.
void Expansion::apply_exclusive_flag(SchemaId id, Keyword keyword, Branch& branch) {
    const bool low = keyword == Keyword::exclusive_minimum;
    const auto bound = document_.schema(id).find(low ? Keyword::minimum : Keyword::maximum);
    if (bound)
        apply_number(low ? Keyword::exclusive_minimum : Keyword::exclusive_maximum, *bound, branch);
}

void Expansion::apply_size(Keyword keyword, const JsonValue& value, Branch& branch) {
    const uint32_t n = count(value);
    switch (keyword) {
        case Keyword::min_length:
            branch.min_length = std::max(branch.min_length, n);
            break;
        case Keyword::max_length:
            branch.max_length = std::min(branch.max_length, n);
            break;
        case Keyword::min_items:
            branch.min_items = std::max(branch.min_items, n);
            break;
        case Keyword::max_items:
            branch.max_items = std::min(branch.max_items, n);
            break;
        case Keyword::min_properties:
            branch.min_members = std::max(branch.min_members, n);
            break;
        case Keyword::max_properties:
            branch.max_members = std::min(branch.max_members, n);
            break;
        default:
            break;
    }
    if (branch.min_length > branch.max_length) branch.types &= uint8_t(~types::kString);
    if (branch.min_items > branch.max_items) branch.types &= uint8_t(~types::kArray);
    if (branch.min_members > branch.max_members) branch.types &= uint8_t(~types::kObject);
}

LanguageId Expansion::pattern(std::string_view text, const JsonValue& at) {
    if (const auto known = patterns_.find(text); known != patterns_.end()) return known->second;
    try {
        const LanguageId language = search(languages_, parse_regex(text), json_char);
        patterns_.emplace(text, language);
        return language;
    } catch (const GrammarError& error) {
        document_.fail(at, error.what());
    }
}

void Expansion::apply_string(Keyword keyword, const JsonValue& value, Branch& branch) {
    std::string name;
    value.get(name);
    if (keyword == Keyword::pattern) {
        branch.bodies.push_back(pattern(name, value));
        return;
    }
    // A format that is not known is an annotation, as the specification has it.
    if (const auto format = format_body(languages_, name)) branch.bodies.push_back(*format);
}

}  // namespace qwend::grammar
