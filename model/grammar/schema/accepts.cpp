// Values of a schema's enum and const, of which those are left that the rest of it allows.

#include <algorithm>
#include <utility>

#include "model/grammar/schema/expansion.h"
#include "model/grammar/spelling.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

uint32_t code_points(std::string_view text) {
    uint32_t n = 0;
    for (size_t at = 0; at < text.size(); n++) at += size_t(utf8_at(text, at).length);
    return n;
}

bool has(const std::vector<JsonValue>& values, const JsonValue& value) {
    const std::string text = canonical(value);
    return std::ranges::any_of(values,
                               [&](const JsonValue& own) { return canonical(own) == text; });
}

}  // namespace

std::vector<JsonValue> Expansion::filtered(const Branch& branch) {
    Branch rest = branch;
    rest.values.reset();
    std::vector<JsonValue> out;
    std::set<std::string> seen;
    for (const JsonValue& value : *branch.values) {
        if (!seen.insert(canonical(value)).second || rejects(rest, value)) continue;
        if (accepts(rest, value))
            out.push_back(value);
        else
            leave_out(branch);
    }
    return out;
}

bool Expansion::accepts(const Terms& terms, const JsonValue& value) {
    if (terms.empty()) return true;
    const std::vector<Branch> all = branches(terms);
    has_guessed_ = has_guessed_ || !is_exact(terms);
    return std::ranges::any_of(all, [&](const Branch& branch) { return accepts(branch, value); });
}

bool Expansion::rejects(const Branch& branch, const JsonValue& value) {
    const bool has_guessed = std::exchange(has_guessed_, false);
    const bool rejects = !accepts(branch, value) && !has_guessed_;
    has_guessed_ = has_guessed;
    return rejects;
}

bool Expansion::accepts(const Branch& branch, const JsonValue& value) {
    if (!(branch.types & type_of(value)) || has(branch.excluded, value)) return false;
    if (branch.values && !has(*branch.values, value)) return false;
    if (value.is_number())
        return languages_.contains(number_language(languages_, branch.number), canonical(value));
    if (value.is_string()) {
        std::string text;
        value.get(text);
        const uint32_t n = code_points(text);
        if (n < branch.min_length || n > branch.max_length) return false;
        text = json_body(text);
        return std::ranges::all_of(
            branch.bodies, [&](LanguageId body) { return languages_.contains(body, text); });
    }
    if (value.is_array()) return accepts_array(branch, value);
    if (!value.is_object()) return true;
    uint32_t n = 0;
    std::set<std::string> names;
    for (const auto& [name, member] : value.members()) {
        n++;
        names.insert(name);
        if (branch.forbidden.contains(name) || !accepts(member_terms(branch, name), member))
            return false;
    }
    return n >= branch.min_members && n <= branch.max_members && branch.of_names.empty() &&
           std::ranges::all_of(branch.required,
                               [&](const std::string& name) { return names.contains(name); });
}

bool Expansion::accepts_array(const Branch& branch, const JsonValue& array) {
    uint32_t n = 0;
    std::set<std::string> seen;
    const Contained* only = branch.contains.size() == 1 ? &branch.contains[0] : nullptr;
    for (const JsonValue& element : array.elements()) {
        if (branch.unique && !seen.insert(canonical(element)).second) return false;
        const bool is_contained = only && accepts({only->term}, element);
        if (!accepts(element_terms(branch, n++, is_contained ? only : nullptr), element))
            return false;
    }
    for (const Contained& some : branch.contains) {
        uint32_t n_so = 0, n_not = 0;  // of others it is not known
        for (const JsonValue& element : array.elements()) {
            n_so += accepts({some.term}, element);
            n_not += some.max != kUnbounded && accepts({denied(some.term)}, element);
        }
        if (n_so < some.min || n - n_not > some.max) return false;
    }
    return n >= branch.min_items && n <= branch.max_items;
}

const ArrayPart& Expansion::array_part(SchemaId id) {
    const auto [at, is_new] = array_parts_.try_emplace(id);
    if (!is_new) return at->second;
    ArrayPart part;
    const SchemaDocument::Schema schema = document_.schema(id);
    const auto items = schema.find(Keyword::items), prefix = schema.find(Keyword::prefix_items);
    if (prefix) part.first = schemas_in(*prefix);
    if (items && items->is_array() && prefix)
        document_.fail(*items, "an array of schemas is not possible beside prefixItems");
    if (items && items->is_array()) {  // up to draft 2019-09
        part.first = schemas_in(*items);
        if (const auto rest = schema.find(Keyword::additional_items))
            part.rest = document_.id_of(*rest);
    } else if (items) {
        part.rest = document_.id_of(*items);
    }
    return array_parts_[id] = std::move(part);
}

/// From which element on nothing that it sees speaks of them.
size_t Expansion::unevaluated_from(const Unevaluated& each) {
    size_t from = 0;
    for (const SchemaId id : each.seen)
        from = array_part(id).rest ? SIZE_MAX : std::max(from, array_part(id).first.size());
    return each.sees_all || each.keyword != Keyword::unevaluated_items ? SIZE_MAX : from;
}

Terms Expansion::element_terms(const Branch& branch, size_t index, const Contained* contained) {
    Terms out = branch.of_elements;
    if (const auto own = branch.of_element.find(uint32_t(index)); own != branch.of_element.end())
        for (const Term& term : own->second) add_term(out, term);
    for (const SchemaId id : branch.arrays) {
        const ArrayPart& part = array_part(id);
        if (index < part.first.size())
            add_term(out, {.schema = part.first[index]});
        else if (part.rest)
            add_term(out, {.schema = *part.rest});
    }
    for (const Unevaluated& each : branch.unevaluated) {
        const bool is_seen =
            contained && std::ranges::binary_search(each.contained, contained->term);
        if (!is_seen && index >= unevaluated_from(each)) add_term(out, {.schema = each.schema});
    }
    return out;
}

size_t Expansion::n_own_elements(const Branch& branch) {
    size_t n = branch.of_element.empty() ? 0 : branch.of_element.rbegin()->first + 1;
    for (const SchemaId id : branch.arrays) n = std::max(n, array_part(id).first.size());
    for (const Unevaluated& each : branch.unevaluated)
        if (const size_t from = unevaluated_from(each); from != SIZE_MAX) n = std::max(n, from);
    return n;
}

const char* Expansion::why_not_counted(const Branch& branch) {
    if (branch.contains.size() > 1) return "contains is possible once in one place";
    if (!branch.contains.empty() && n_own_elements(branch) > 0)
        return "contains is not possible beside elements with schemas of their own";
    return nullptr;
}

/// A way in which something fails is left out if it cannot be told.
void Expansion::drop_uncounted(Branch& branch) {
    if (!std::ranges::any_of(branch.contains, &Contained::is_denial) || !why_not_counted(branch))
        return;
    branch.types &= uint8_t(~types::kArray);
    leave_out(branch);
}

const ObjectPart& Expansion::object_part(SchemaId id) {
    const auto [at, is_new] = object_parts_.try_emplace(id);
    if (!is_new) return at->second;
    ObjectPart part;
    const SchemaDocument::Schema schema = document_.schema(id);
    if (const auto properties = schema.find(Keyword::properties))
        for (const auto& [name, value] : properties->members())
            part.properties.emplace_back(name, document_.id_of(value));
    if (const auto patterns = schema.find(Keyword::pattern_properties))
        for (const auto& [text, value] : patterns->members())
            part.patterns.emplace_back(pattern(text, value), document_.id_of(value));
    if (const auto additional = schema.find(Keyword::additional_properties))
        part.additional = document_.id_of(*additional);
    for (size_t i = 0; i < part.properties.size(); i++)
        part.index.emplace(part.properties[i].first, i);
    return object_parts_[id] = std::move(part);
}

Terms Expansion::member_terms(const Branch& branch, const std::string& name) {
    Terms out;
    const std::string body = json_body(name);
    std::set<SchemaId> speak_of_it;
    for (const SchemaId id : branch.objects) {
        const ObjectPart& part = object_part(id);
        bool is_own = false;
        if (const auto at = part.index.find(name); at != part.index.end()) {
            add_term(out, {.schema = part.properties[at->second].second});
            is_own = true;
        }
        for (const auto& [language, schema] : part.patterns)
            if (languages_.contains(language, body)) {
                add_term(out, {.schema = schema});
                is_own = true;
            }
        if (!is_own && part.additional) add_term(out, {.schema = *part.additional});
        if (is_own || part.additional) speak_of_it.insert(id);
    }
    if (const auto own = branch.of_member.find(name); own != branch.of_member.end())
        for (const Term& term : own->second) add_term(out, term);
    add_unevaluated(branch, speak_of_it, out);
    return out;
}

void Expansion::add_unevaluated(const Branch& branch, const std::set<SchemaId>& speak_of_it,
                                Terms& out) const {
    for (const Unevaluated& each : branch.unevaluated)
        if (each.keyword == Keyword::unevaluated_properties && !each.sees_all &&
            std::ranges::none_of(each.seen, [&](SchemaId id) { return speak_of_it.contains(id); }))
            add_term(out, {.schema = each.schema});
}

}  // namespace qwend::grammar
