// What it takes for a schema not to hold: one of its keywords fails, each in its own way. What
// cannot be asked for is left out of the ways, which makes them fewer and never wrong.

#include <algorithm>

#include "model/grammar/formats.h"
#include "model/grammar/regular.h"
#include "model/grammar/schema/expansion.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

/// Whether there is a way known in which it fails, as far as that can be seen before long.
bool Expansion::can_fail(SchemaId id) {
    constexpr int kMaxDepth = 100;
    const auto [known, is_new] = can_fail_.try_emplace(id, true);
    if (!is_new || can_fail_depth_ >= kMaxDepth) return known->second;
    can_fail_depth_++;
    const Failures failures = ways_to_fail(id);
    can_fail_depth_--;
    return can_fail_[id] = failures.are_all || !failures.ways.empty();
}

Expansion::Failures Expansion::ways_to_fail(SchemaId id) {
    const SchemaDocument::Schema schema = document_.schema(id);
    Failures failures;
    if (const auto ref = schema.find(Keyword::ref)) {
        const SchemaId target = document_.resolve(id, *ref);
        if (can_fail(target))
            failures.ways.push_back({{target, Term::Kind::fails}});
        else
            failures.are_all = false;
        if (document_.is_old()) return failures;
    }
    for (const auto& [keyword, value] : schema.keywords) add_failures(id, keyword, value, failures);
    return failures;
}

void Expansion::apply_failure(SchemaId id, Draft& draft) {
    const SchemaDocument::Schema schema = document_.schema(id);
    if (schema.always) {
        if (*schema.always) draft.branch.types = 0;
        return;
    }
    Failures failures = ways_to_fail(id);
    if (!failures.are_all) leave_out(draft);
    if (failures.ways.empty()) {
        if (!failures.are_all)
            document_.fail(schema.value, "that this must not hold cannot be asked for");
        draft.branch.types = 0;  // what asks for nothing cannot fail
        return;
    }
    if (failures.ways.size() > 1) return draft.choose(std::move(failures.ways));
    for (const Term& term : failures.ways[0]) draft.ask(term);
}

/// Adds the ways in which a keyword can fail.
void Expansion::add_failures(SchemaId id, Keyword keyword, const JsonValue& value,
                             Failures& failures) {
    bool flag = false;
    std::string name;
    auto failing = [&](Keyword of) {
        failures.ways.push_back({{id, Term::Kind::keyword_fails, of, 0}});
    };
    switch (keyword) {
        case Keyword::type:
        case Keyword::enum_:
        case Keyword::const_:
        case Keyword::minimum:
        case Keyword::maximum:
        case Keyword::min_length:
        case Keyword::max_length:
        case Keyword::min_items:
        case Keyword::max_items:
        case Keyword::min_properties:
        case Keyword::max_properties:
        case Keyword::multiple_of:
        case Keyword::pattern:
            return failing(keyword);
        case Keyword::exclusive_minimum:
        case Keyword::exclusive_maximum:
            if (value.is_number()) failing(keyword);
            return;
        case Keyword::format:
            if (value.get(name) && format_syntax(name)) failing(keyword);
            return;
        case Keyword::not_:
            failures.ways.push_back({{.schema = document_.id_of(value)}});
            return;
        case Keyword::ref:
        case Keyword::nullable:
        case Keyword::min_contains:
        case Keyword::max_contains:
        case Keyword::then:
        case Keyword::else_:
            return;  // others look at them
        case Keyword::unique_items:
            failures.are_all = failures.are_all && value.get(flag) && !flag;
            return;
        case Keyword::additional_properties:
        case Keyword::additional_items:
        case Keyword::unevaluated_items:
        case Keyword::unevaluated_properties:
            failures.are_all = failures.are_all && value.get(flag) && flag;
            return;
        default:
            return add_failures_of_parts(id, keyword, value, failures);
    }
}

/// The same of keywords that have elements or members, or are about those of a value.
void Expansion::add_failures_of_parts(SchemaId id, Keyword keyword, const JsonValue& value,
                                      Failures& failures) {
    auto add = [&](bool is_known, Terms way) {
        if (is_known)
            failures.ways.push_back(std::move(way));
        else
            failures.are_all = false;
    };
    auto failing = [&](uint32_t index) {
        return Terms{{id, Term::Kind::keyword_fails, keyword, index}};
    };
    uint32_t index = 0;
    switch (keyword) {
        case Keyword::required:
            for ([[maybe_unused]] const auto& name : value.elements()) add(true, failing(index++));
            return;
        case Keyword::properties:
            for (const auto& [name, member] : value.members()) {
                const SchemaId part = document_.id_of(member);
                if (document_.schema(part).always != true) add(can_fail(part), failing(index));
                index++;
            }
            return;
        case Keyword::contains: {  // too few, and too many
            const auto [min, max] = contained_bounds(id);
            if (min > 0) add(can_fail(document_.id_of(value)), failing(0));
            if (max != kUnbounded) add(true, failing(1));
            return;
        }
        case Keyword::items:
        case Keyword::prefix_items:
            // Older drafts do not know prefixItems, and who does not know it does not see it fail.
            if (keyword == Keyword::prefix_items && document_.is_old()) return add(false, {});
            for (const JsonValue& element : value.elements())
                add(can_fail(document_.id_of(element)), failing(index++));
            if (!value.is_array())  // of those behind some it is not known
                add(!document_.schema(id).find(Keyword::prefix_items) &&
                        can_fail(document_.id_of(value)),
                    failing(0));
            return;
        case Keyword::all_of:
            for (const SchemaId part : schemas_in(value))
                add(can_fail(part), {{part, Term::Kind::fails}});
            return;
        case Keyword::any_of:
        case Keyword::one_of: {  // of one_of, that two hold is left out
            Terms all;
            const std::vector<SchemaId> parts = schemas_in(value);
            for (const SchemaId part : parts) add_term(all, {part, Term::Kind::fails});
            if (keyword == Keyword::one_of && parts.size() > 1) failures.are_all = false;
            return add(std::ranges::all_of(parts, [this](SchemaId part) { return can_fail(part); }),
                       std::move(all));
        }
        default:
            return add(false, {});
    }
}

void Expansion::apply_keyword_failure(const Term& term, Draft& draft) {
    Branch& branch = draft.branch;
    const JsonValue value = *document_.schema(term.schema).find(term.keyword);
    switch (term.keyword) {
        case Keyword::type:
            return fail_type(term.schema, value, branch);
        case Keyword::enum_:
            for (const JsonValue& element : value.elements()) branch.excluded.push_back(element);
            return;
        case Keyword::const_:
            branch.excluded.push_back(value);
            return;
        case Keyword::minimum:
        case Keyword::maximum:
        case Keyword::exclusive_minimum:
        case Keyword::exclusive_maximum:
            return fail_number(term.schema, term.keyword, value, branch);
        case Keyword::multiple_of:
            branch.types &= types::kNumber;
            branch.number.not_multiples_of.push_back(decimal(value));
            return;
        case Keyword::pattern:
        case Keyword::format: {
            Branch other;
            apply_string(term.keyword, value, other);
            branch.types &= types::kString;
            for (const LanguageId body : other.bodies)
                branch.bodies.push_back(languages_.complement(body));
            return;
        }
        case Keyword::required: {
            uint32_t index = 0;
            branch.types &= types::kObject;
            for (const JsonValue& element : value.elements())
                if (std::string name; index++ == term.index && element.get(name))
                    branch.forbidden.insert(name);
            return;
        }
        case Keyword::contains:
        case Keyword::items:
        case Keyword::prefix_items:
            return fail_elements(term, value, draft);
        case Keyword::properties: {
            const JsonMember member = member_of(term);
            branch.types &= types::kObject;
            branch.require(member.key);
            add_term(branch.of_member[member.key],
                     {document_.id_of(member.value), Term::Kind::fails});
            return;
        }
        default:
            return fail_size(term.keyword, value, branch);
    }
}

void Expansion::fail_type(SchemaId schema, const JsonValue& value, Branch& branch) {
    Branch other;
    apply_type(schema, value, other);
    if (other.number.integer) {  // other numbers are not of the type
        other.types &= uint8_t(~types::kNumber);
        branch.number.not_multiples_of.push_back({false, "1", ""});
    }
    branch.types &= uint8_t(~other.types);
}

void Expansion::fail_elements(const Term& term, const JsonValue& value, Draft& draft) {
    Branch& branch = draft.branch;
    branch.types &= types::kArray;
    if (term.keyword == Keyword::contains) {
        const auto [min, max] = contained_bounds(term.schema);
        const Term own{.schema = document_.id_of(value)};
        if (term.index == 0) return limit_contained({own, 0, min - 1, value, true}, draft);
        return limit_contained({own, max + 1, kUnbounded, value, true}, draft);
    }
    if (!value.is_array()) {
        const Term fails{document_.id_of(value), Term::Kind::fails};
        return limit_contained({fails, 1, kUnbounded, value, true}, draft);
    }
    uint32_t index = 0;
    for (const JsonValue& element : value.elements())
        if (index++ == term.index)
            add_term(branch.of_element[term.index], {document_.id_of(element), Term::Kind::fails});
    branch.min_items = std::max(branch.min_items, term.index + 1);
    if (branch.min_items > branch.max_items) branch.types = 0;
}

void Expansion::fail_number(SchemaId id, Keyword keyword, const JsonValue& value, Branch& branch) {
    branch.types &= types::kNumber;
    const bool low = keyword == Keyword::minimum || keyword == Keyword::exclusive_minimum;
    bool exclusive = keyword == Keyword::exclusive_minimum || keyword == Keyword::exclusive_maximum;
    const auto flag =
        document_.schema(id).find(low ? Keyword::exclusive_minimum : Keyword::exclusive_maximum);
    if (bool draft_4 = false; flag && flag->get(draft_4)) exclusive = exclusive || draft_4;
    apply_number(low ? (exclusive ? Keyword::maximum : Keyword::exclusive_maximum)
                     : (exclusive ? Keyword::minimum : Keyword::exclusive_minimum),
                 value, branch);
}

void Expansion::fail_size(Keyword keyword, const JsonValue& value, Branch& branch) {
    const uint32_t n = count(value);
    const bool of_string = keyword == Keyword::min_length || keyword == Keyword::max_length;
    const bool of_array = keyword == Keyword::min_items || keyword == Keyword::max_items;
    branch.types &= of_string ? types::kString : of_array ? types::kArray : types::kObject;
    uint32_t& min = of_string  ? branch.min_length
                    : of_array ? branch.min_items
                               : branch.min_members;
    uint32_t& max = of_string  ? branch.max_length
                    : of_array ? branch.max_items
                               : branch.max_members;
    const bool low = keyword == Keyword::min_length || keyword == Keyword::min_items ||
                     keyword == Keyword::min_properties;
    if (low && n == 0)
        branch.types = 0;
    else if (low)
        max = std::min(max, n - 1);
    else
        min = std::max(min, n + 1);
    if (min > max) branch.types = 0;
}

}  // namespace qwend::grammar
