#include "model/grammar/schema/expansion.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/grammar/schema/disjoint.h"

namespace qwend::grammar {

namespace {

bool has_picked_another(const Branch& branch, SchemaId choice, size_t option) {
    return std::ranges::any_of(branch.picks, [&](const auto& pick) {
        return pick.first == choice && pick.second != option;
    });
}

}  // namespace

void add_term(Terms& terms, const Term& term) {
    const auto at = std::ranges::lower_bound(terms, term);
    if (at == terms.end() || *at != term) terms.insert(at, term);
}

Term denied(const Term& term) {
    return {term.schema, term.kind == Term::Kind::holds ? Term::Kind::fails : Term::Kind::holds};
}

void Branch::require(const std::string& name) {
    if (required_names.insert(name).second) required.push_back(name);
}

bool Branch::is_impossible() const {
    if (types == 0 || (values && values->empty())) return true;
    // An object of whose members one must both be there and not.
    if (types == types::kObject)
        return std::ranges::any_of(required,
                                   [&](const auto& name) { return forbidden.contains(name); });
    return false;
}

const std::vector<Branch>& Expansion::branches(const Terms& terms) {
    const auto known = branches_.find(terms);
    if (known != branches_.end()) return known->second.all;
    in_progress_.insert(terms);
    std::vector<Branch> out;
    LeftOut outer = std::move(left_out_);
    for (;;) {
        out.clear();
        left_out_ = {};
        Draft draft;
        for (auto at = terms.rbegin(); at != terms.rend(); at++) draft.ask(*at);
        run(std::move(draft), out);
        if (is_exclusive(out)) break;
    }
    in_progress_.erase(terms);
    const bool are_exact = !left_out_.any;
    left_out_ = std::move(outer);
    n_branches_ += out.size();
    if (n_branches_ > kMaxBranchesInAll)
        throw GrammarError(
            fmt::format("the schema has more than {} combinations of what its choices allow",
                        kMaxBranchesInAll));
    return branches_.emplace(terms, Branches{std::move(out), are_exact}).first->second.all;
}

bool Expansion::is_exact(const Terms& terms) {
    branches(terms);
    return branches_.at(terms).are_exact;
}

/// Notes that there are values of which none of the branches will be.
void Expansion::leave_out(const Draft& draft) {
    left_out_.any = true;
    for (uint32_t at = draft.option; at != 0; at = draft.options[at].outer)
        left_out_.choices.insert(draft.options[at].choice);
}

void Expansion::leave_out(const Branch& branch) {
    left_out_.any = true;
    for (const auto& [choice, option] : branch.picks) left_out_.choices.insert(choice);
}

/// Of branches that took different options of an exclusive choice none may have a value in common.
/// Where that does not show, be it because an option has values that are left out, the choice is
/// made anew such that each option asks the others to fail.
bool Expansion::is_exclusive(const std::vector<Branch>& branches) {
    const auto n_before = negated_choices_.size();
    negated_choices_.insert(left_out_.choices.begin(), left_out_.choices.end());
    for (size_t a = 0; a < branches.size(); a++)
        for (size_t b = 0; b < branches.size(); b++)
            for (const auto& [schema, option] : branches[a].picks)
                for (const auto& [other_schema, other_option] : branches[b].picks)
                    if (a != b && schema == other_schema && option != other_option &&
                        !negated_choices_.contains(schema) &&
                        !excludes(*this, branches[a], branches[b]))
                        negated_choices_.insert(schema);
    return negated_choices_.size() == n_before;
}

void Expansion::Draft::for_each_that_sees(const std::function<void(Unevaluated&)>& visit) {
    for (uint32_t at = scope; at != 0; at = scopes[at].outer)
        for (const size_t i : scopes[at].unevaluated) visit(branch.unevaluated[i]);
}

void Expansion::Draft::note_seen(SchemaId schema) {
    for_each_that_sees([&](Unevaluated& each) {
        if (std::ranges::find(each.seen, schema) == each.seen.end()) each.seen.push_back(schema);
    });
}

void Expansion::run(Draft draft, std::vector<Branch>& out) {
    while (!draft.todo.empty()) {
        const Asked asked = draft.todo.back();
        draft.todo.pop_back();
        const auto at = std::ranges::lower_bound(draft.done, asked.seen);
        if (at != draft.done.end() && *at == asked.seen) continue;
        draft.done.insert(at, asked.seen);
        draft.scope = asked.seen.scope, draft.option = asked.option;
        apply(asked.seen.term, draft);
        if (draft.branch.is_impossible()) return;
    }
    if (draft.choices.empty()) {
        drop_uncounted(draft.branch);
        if (draft.branch.values) draft.branch.values = filtered(draft.branch);
        if (draft.branch.is_impossible()) return;
        if (out.size() >= kMaxBranches)
            throw GrammarError(fmt::format(
                "the schema has more than {} combinations of what its choices allow in one place",
                kMaxBranches));
        out.push_back(std::move(draft.branch));
        return;
    }
    if (++draft.n_choices > kMaxChoices)
        throw GrammarError(
            fmt::format("the schema has more than {} choices in one place", kMaxChoices));
    const Choice choice = std::move(draft.choices.back());
    draft.choices.pop_back();
    for (size_t i = 0; i < choice.options.size(); i++) {
        if (choice.exclusive && has_picked_another(draft.branch, *choice.exclusive, i)) continue;
        Draft next = draft;
        next.scope = choice.scope, next.option = choice.option;
        if (choice.exclusive) {
            next.option = uint32_t(next.options.size());
            next.options.push_back({choice.option, *choice.exclusive});
        }
        const Terms& option = choice.options[i];
        for (auto at = option.rbegin(); at != option.rend(); at++) next.ask(*at);
        if (choice.exclusive) next.branch.picks.emplace_back(*choice.exclusive, uint32_t(i));
        run(std::move(next), out);
    }
}

void Expansion::apply(const Term& term, Draft& draft) {
    Branch& branch = draft.branch;
    switch (term.kind) {
        case Term::Kind::holds:
            return apply_schema(term.schema, draft);
        case Term::Kind::fails:
            draft.scope = 0;  // what must not hold is not seen, nor is what that leads to
            return apply_failure(term.schema, draft);
        case Term::Kind::keyword_fails:
            draft.scope = 0;
            return apply_keyword_failure(term, draft);
        case Term::Kind::absent:
            branch.forbidden.insert(member_name(term));
            return;
        case Term::Kind::present:
            branch.types &= types::kObject;
            branch.require(member_name(term));
            return;
        case Term::Kind::lists_present:
            for (const JsonValue& element : member_of(term).value.elements())
                if (std::string name; element.get(name)) branch.require(name);
            return;
    }
}

/// The member that a term is about; its keyword has one of that number.
JsonMember Expansion::member_of(const Term& term) {
    const auto keyword = document_.schema(term.schema).find(term.keyword);
    auto at = keyword->members().begin();
    for (uint32_t i = 0; i < term.index; i++) ++at;
    return *at;
}

std::string Expansion::member_name(const Term& term) {
    return member_of(term).key;
}

void Expansion::apply_schema(SchemaId id, Draft& draft) {
    const SchemaDocument::Schema schema = document_.schema(id);
    if (schema.always) {
        if (!*schema.always) draft.branch.types = 0;
        return;
    }
    if (schema.find(Keyword::unevaluated_items) || schema.find(Keyword::unevaluated_properties))
        begin_scope(schema, draft);
    if (const auto ref = schema.find(Keyword::ref)) {
        draft.ask({.schema = document_.resolve(id, *ref)});
        if (document_.is_old()) return;
    }
    for (const auto& [keyword, value] : schema.keywords) apply_keyword(id, keyword, value, draft);
}

void Expansion::apply_keyword(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft) {
    switch (keyword) {
        case Keyword::properties:
        case Keyword::pattern_properties:
        case Keyword::additional_properties:
        case Keyword::required:
        case Keyword::property_names:
        case Keyword::dependencies:
        case Keyword::dependent_required:
        case Keyword::dependent_schemas:
            return apply_members(id, keyword, value, draft);
        case Keyword::all_of:
        case Keyword::any_of:
        case Keyword::one_of:
        case Keyword::not_:
        case Keyword::if_:
            return apply_logic(id, keyword, value, draft);
        case Keyword::dynamic_ref:
        case Keyword::recursive_ref:
            return draft.ask({.schema = document_.resolve_dynamic(id, value)});
        default:
            return apply_limit(id, keyword, value, draft);
    }
}

std::vector<SchemaId> Expansion::schemas_in(const JsonValue& list) {
    std::vector<SchemaId> out;
    for (const JsonValue& element : list.elements()) out.push_back(document_.id_of(element));
    return out;
}

void Expansion::apply_members(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft) {
    Branch& branch = draft.branch;
    if (keyword == Keyword::required) {
        for (const JsonValue& element : value.elements())
            if (std::string name; element.get(name)) branch.require(name);
        return;
    }
    if (keyword == Keyword::property_names) {
        add_term(branch.of_names, {.schema = document_.id_of(value)});
        return;
    }
    const bool depends = keyword == Keyword::dependencies ||
                         keyword == Keyword::dependent_required ||
                         keyword == Keyword::dependent_schemas;
    if (!depends) {
        draft.note_seen(id);
        if (std::ranges::find(branch.objects, id) == branch.objects.end())
            branch.objects.push_back(id);
        return;
    }
    uint32_t index = 0;
    for (const auto& [name, member] : value.members()) {
        const Term absent{id, Term::Kind::absent, keyword, index};
        const Term present{id, Term::Kind::present, keyword, index};
        Terms with{present};
        add_term(with, member.is_array() ? Term{id, Term::Kind::lists_present, keyword, index}
                                         : Term{.schema = document_.id_of(member)});
        index++;
        draft.choose({{absent}, std::move(with)});
    }
}

void Expansion::apply_logic(SchemaId id, Keyword keyword, const JsonValue& value, Draft& draft) {
    if (keyword == Keyword::one_of) return apply_one_of(id, value, draft);
    if (keyword == Keyword::not_) {
        draft.ask({document_.id_of(value), Term::Kind::fails});
        return;
    }
    if (keyword == Keyword::all_of) {
        const std::vector<SchemaId> all = schemas_in(value);
        for (auto at = all.rbegin(); at != all.rend(); at++) draft.ask({.schema = *at});
        return;
    }
    std::vector<Terms> options;
    // Those that hold beside the one that is taken are seen by unevaluated… keywords.
    if (keyword == Keyword::any_of && draft.scope != 0) leave_out(draft);
    if (keyword == Keyword::any_of) {
        for (const SchemaId option : schemas_in(value)) options.push_back({{.schema = option}});
    } else {
        const SchemaId condition = document_.id_of(value);
        Terms met{{.schema = condition}}, unmet{{condition, Term::Kind::fails}};
        const auto then = document_.schema(id).find(Keyword::then);
        const auto otherwise = document_.schema(id).find(Keyword::else_);
        if (!then && !otherwise) {
            if (draft.scope != 0) leave_out(draft);
            return;
        }
        if (then) add_term(met, {.schema = document_.id_of(*then)});
        if (otherwise) add_term(unmet, {.schema = document_.id_of(*otherwise)});
        options = {std::move(met), std::move(unmet)};
    }
    draft.choose(std::move(options));
}

void Expansion::apply_one_of(SchemaId id, const JsonValue& value, Draft& draft) {
    const std::vector<SchemaId> all = schemas_in(value);
    const bool negated = negated_choices_.contains(id);
    std::vector<Terms> options;
    for (const SchemaId option : all) {
        Terms terms{{.schema = option}};
        for (const SchemaId other : all)
            if (negated && other != option) add_term(terms, {other, Term::Kind::fails});
        options.push_back(std::move(terms));
    }
    draft.choose(std::move(options), all.size() > 1 ? std::optional(id) : std::nullopt);
}

/// An unevaluated… keyword sees what its own schema says, and what that applies to the same value.
void Expansion::begin_scope(const SchemaDocument::Schema& schema, Draft& draft) {
    constexpr size_t kMaxScopes = 100;
    Scope scope{draft.scope, {}};
    for (const Keyword keyword : {Keyword::unevaluated_items, Keyword::unevaluated_properties}) {
        const auto value = schema.find(keyword);
        if (!value) continue;
        draft.for_each_that_sees([&](Unevaluated& outer) {
            outer.sees_all = outer.sees_all || outer.keyword == keyword;
        });
        const SchemaId rest = document_.id_of(*value);
        if (document_.schema(rest).always == true) continue;
        scope.unevaluated.push_back(draft.branch.unevaluated.size());
        draft.branch.unevaluated.push_back({keyword, rest, {}, {}, false});
        if (draft.branch.unevaluated.size() > kMaxScopes)
            document_.fail(
                *value, fmt::format("more than {} unevaluated… keywords in one place", kMaxScopes));
    }
    draft.scope = uint32_t(draft.scopes.size());
    draft.scopes.push_back(std::move(scope));
}

}  // namespace qwend::grammar
