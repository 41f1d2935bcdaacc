#include "model/grammar/schema/builder.h"

#include <fmt/core.h>

#include <algorithm>

#include "model/grammar/character_scan.h"
#include "model/grammar/regex_syntax.h"
#include "model/grammar/regular.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

namespace {

constexpr uint32_t kMaxUncounted = 2'000;  // characters of a string whose states are its length
constexpr size_t kMaxPatterns = 64;        // for names of members
constexpr size_t kMaxNameClasses = 64;     // of names that match the same of them
constexpr size_t kMaxCountWork = 300'000;  // on finding out whether characters can be counted
constexpr size_t kMaxNodes = 200'000;

/// Those texts of the expression that end before long.
LanguageId space(Languages& languages, const std::string& pattern) {
    const LanguageId said = full_match(languages, parse_regex(pattern), utf8_char);
    ByteSet white;
    for (const char byte : std::string_view(" \t\r\n")) white.add(uint8_t(byte));
    const LanguageId one = languages.byte_in(white);
    if (!languages.is_empty(languages.both({said, languages.complement(languages.repeat(one, 0))})))
        throw GrammarError("a whitespace pattern is one of spaces, tabs and line breaks alone");
    const LanguageId all =
        languages.both({said, languages.repeat(one, 0, SchemaOptions::kMaxSpace)});
    if (languages.is_empty(all))
        throw GrammarError(fmt::format("a whitespace pattern allows at most {} characters",
                                       SchemaOptions::kMaxSpace));
    return all;
}

/// What may stand between two parts of JSON; it ends.
LanguageId space(Languages& languages, Whitespace whitespace) {
    const LanguageId one = languages.optional(languages.literal(" "));
    if (whitespace == Whitespace::none) return Languages::kEmpty;
    if (whitespace == Whitespace::compact) return one;
    const LanguageId line = languages.either({languages.literal("\n"), languages.literal("\r\n")});
    const LanguageId indent = languages.either({languages.repeat(languages.literal(" "), 0, 32),
                                                languages.repeat(languages.literal("\t"), 0, 8)});
    return languages.either({one, languages.sequence(line, indent)});
}

}  // namespace

Builder::Builder(SchemaDocument& document, Grammar& grammar, const SchemaOptions& options)
    : document_(document),
      grammar_(grammar),
      options_(options),
      expansion_(document, grammar.languages) {
    Languages& l = grammar.languages;
    const bool has_pattern = !options.space_pattern.empty();
    const LanguageId between =
        has_pattern ? space(l, options.space_pattern) : space(l, options.whitespace);
    inner_space_ =
        has_pattern || options.whitespace == Whitespace::flexible ? between : Languages::kEmpty;
    comma_ = l.sequence(l.literal(","), between);
    colon_ = l.sequence(l.literal(":"), between);
    quote_ = l.literal("\"");
    auto body = [&](LanguageId character) {
        const LanguageId any = l.repeat(character, 0);
        const std::string& without = options.not_in_strings;
        return without.empty() ? any : l.both({any, l.complement(l.containing({without}))});
    };
    any_body_ = body(any_json_char(l));
    any_body_with_pairs_ = body(any_json_char_or_pair(l));
    plain_body_ = body(l.spelled(CodePointSet::all(), json_char));
    nothing_ = grammar.text(Languages::kNothing);
    any_string_ = grammar.text(l.sequence({quote_, any_body_with_pairs_, quote_}));
    quote_node_ = grammar.text(quote_);
    object_begin_ = grammar.text(l.sequence(l.literal("{"), inner_space_));
    object_end_ = grammar.text(l.sequence(inner_space_, l.literal("}")));
    array_begin_ = grammar.text(l.sequence(l.literal("["), inner_space_));
    array_end_ = grammar.text(l.sequence(inner_space_, l.literal("]")));
}

NodeId Builder::build(const Terms& terms) {
    const NodeId root = options_.only_objects ? objects_node(terms) : node_of(terms);
    build_rest();
    return root;
}

void Builder::build_rest() {
    while (!todo_.empty()) {
        const auto [next, id] = std::move(todo_.front());
        todo_.pop_front();
        std::vector<NodeId> parts =
            nodes_of_branches(next, [this](const Branch& branch) { return branch_node(branch); });
        grammar_.nodes[id].kind = Node::Kind::choice;
        grammar_.nodes[id].parts = std::move(parts);
        if (grammar_.nodes.size() > kMaxNodes)
            throw GrammarError(fmt::format("the schema comes to more than {} parts", kMaxNodes));
    }
}

/// Beside node_of(), since what refers back to the terms means all their values.
NodeId Builder::objects_node(const Terms& terms) {
    return grammar_.choice(nodes_of_branches(terms, [this](Branch branch) {
        branch.types &= types::kObject;
        if (branch.values)
            std::erase_if(*branch.values,
                          [](const JsonValue& value) { return !value.is_object(); });
        return branch_node(branch);
    }));
}

std::vector<NodeId> Builder::nodes_of_branches(const Terms& terms,
                                               const std::function<NodeId(const Branch&)>& node) {
    std::vector<NodeId> nodes;
    try {
        for (const Branch& branch : expansion_.branches(terms)) nodes.push_back(node(branch));
    } catch (const GrammarError& error) {
        if (terms.empty() || std::string_view(error.what()).starts_with('#'))
            throw;  // it says where, or there is nowhere
        document_.fail(document_.schema(terms.front().schema).value, error.what());
    }
    return nodes;
}

NodeId Builder::node_of(const Terms& terms) {
    const auto known = nodes_.find(terms);
    if (known != nodes_.end()) return known->second;
    const NodeId id = grammar_.add({});
    nodes_.emplace(terms, id);
    todo_.emplace_back(terms, id);
    return id;
}

NodeId Builder::branch_node(const Branch& branch) {
    if (branch.values) return values_node(*branch.values);
    uint8_t types = branch.types;
    std::vector<std::string> words;
    for (const JsonValue& value : branch.excluded) {
        const uint8_t type = type_of(value);
        if (type & (types::kNull | types::kBoolean)) types &= uint8_t(~type);
        // An array or object that must not be: none is generated where that is possible.
        if (type & (types::kArray | types::kObject)) types &= uint8_t(~type);
    }
    if (types & types::kNull) words.push_back("null");
    if (types & types::kTrue) words.push_back("true");
    if (types & types::kFalse) words.push_back("false");
    std::vector<NodeId> parts;
    if (!words.empty()) parts.push_back(grammar_.text(grammar_.languages.one_of(std::move(words))));
    if (types & types::kNumber) parts.push_back(number_node(branch));
    if (types & types::kString) parts.push_back(string_node(branch));
    if (types & types::kArray) parts.push_back(array_node(branch));
    if (types & types::kObject) parts.push_back(object_node(branch));
    return grammar_.choice(std::move(parts));
}

NodeId Builder::values_node(const std::vector<JsonValue>& values) {
    std::vector<std::string> texts;
    for (const JsonValue& value : values) texts.push_back(compact(value));
    return grammar_.text(grammar_.languages.one_of(std::move(texts)));
}

NodeId Builder::number_node(const Branch& branch) {
    NumberLimits limits = branch.number;
    for (const JsonValue& value : branch.excluded)
        if (value.is_number())
            if (const auto number = parse_decimal(value.raw())) limits.excluded.push_back(*number);
    return grammar_.text(number_language(grammar_.languages, limits));
}

NodeId Builder::string_node(const Branch& branch) {
    const Body body = string_body(branch);
    if (body.language == any_body_with_pairs_) return any_string_;
    Languages& l = grammar_.languages;
    if (!body.counted) return grammar_.text(l.sequence({quote_, body.language, quote_}));
    Node node;
    node.kind = Node::Kind::counted;
    node.language = body.language;
    node.min = body.min, node.max = branch.max_length;
    const NodeId counted =
        grammar_.sequence({quote_node_, grammar_.add(std::move(node)), quote_node_});
    if (body.min <= branch.min_length) return counted;
    const LanguageId shorter =
        l.both({body.language, l.repeat(l.spelled(CodePointSet::all(), json_char),
                                        branch.min_length, body.min - 1)});
    if (l.is_empty(shorter)) return counted;
    return grammar_.choice({grammar_.text(l.sequence({quote_, shorter, quote_})), counted});
}

Builder::Body Builder::string_body(const Branch& branch) {
    Languages& l = grammar_.languages;
    std::vector<LanguageId> all = branch.bodies;
    std::vector<std::string> excluded;
    for (const JsonValue& value : branch.excluded)
        if (std::string text; value.get(text)) excluded.push_back(json_body(text));
    if (!excluded.empty()) all.push_back(l.complement(l.one_of(std::move(excluded))));
    const uint32_t min = branch.min_length;
    const bool any_length = min == 0 && branch.max_length == kUnbounded;
    if (all.empty()) return {any_length ? any_body_with_pairs_ : any_body_, !any_length, min};
    // What is made of json_char() alone is within it.
    const bool is_within =
        options_.not_in_strings.empty() && std::ranges::any_of(branch.bodies, [&](LanguageId body) {
            return body != Languages::kNothing && l.is_plain(body);
        });
    if (!is_within) all.push_back(plain_body_);
    const LanguageId body = l.both(std::move(all));
    if (any_length) return {body, false, 0};
    const auto known = counts_.find(body);
    const Counts counts = known == counts_.end() ? counts_[body] = counts_of(body) : known->second;
    const uint32_t from = std::max(min, counts.from);
    if (counts.all && from <= counts.to && from <= branch.max_length) return {body, true, from};
    if (branch.min_length > kMaxUncounted)
        throw GrammarError(
            fmt::format("a pattern is possible with a length from {} on at most", kMaxUncounted));
    // Longer ones would be valid, but are not generated.
    const uint32_t max =
        branch.max_length == kUnbounded ? kUnbounded : std::min(branch.max_length, kMaxUncounted);
    const auto [at, is_new] = bounded_.try_emplace({body, min, max});
    if (is_new)
        at->second = l.both({body, l.repeat(l.spelled(CodePointSet::all(), json_char), min, max)});
    return {at->second, false, 0};
}

std::vector<LanguageId> Builder::after_character(LanguageId body) {
    Languages& l = grammar_.languages;
    std::vector<LanguageId> out;
    std::vector<std::pair<LanguageId, uint32_t>> open{{body, 0}}, seen;
    while (!open.empty()) {
        const auto [from, state] = open.back();
        open.pop_back();
        for (int byte = 0; byte < 256; byte++) {
            const LanguageId to = l.after(from, uint8_t(byte));
            if (to == Languages::kNothing) continue;
            CharacterScan scan{0, state};
            scan.read(uint8_t(byte));
            const std::pair next{to, scan.state};
            if (std::ranges::find(seen, next) != seen.end()) continue;
            seen.push_back(next);
            if (scan.state == 0)
                out.push_back(to);
            else
                open.push_back(next);
        }
    }
    return out;
}

Builder::Counts Builder::counts_of(LanguageId body) {
    constexpr size_t kMaxLayers = 130, kMaxStates = 64;
    Languages& l = grammar_.languages;
    if (l.is_empty(body)) return {};
    const size_t enough = l.work_left() - std::min(l.work_left(), kMaxCountWork);
    // The states that each number of characters leads to, until they repeat.
    std::vector<LanguageId> layer{body};
    std::map<std::vector<LanguageId>, uint32_t> layers;
    uint32_t n = 0, accepts_from = 0, ends_at = kUnbounded;
    while (!layer.empty() && layers.emplace(layer, n).second) {
        if (layers.size() > kMaxLayers || layer.size() > kMaxStates) return {};
        if (l.work_left() <= enough) return {};
        std::vector<LanguageId> next;
        for (const LanguageId from : layer) {
            if (!l.has_empty(from)) accepts_from = n + 1;
            const std::vector<LanguageId> to = after_character(from);
            if (to.empty()) ends_at = std::min(ends_at, n);
            next.insert(next.end(), to.begin(), to.end());
        }
        std::ranges::sort(next);
        next.erase(std::unique(next.begin(), next.end()), next.end());
        layer = std::move(next);
        n++;
    }
    // Among those that repeat all have to accept.
    if (!layer.empty() && layers[layer] < accepts_from) return {};
    return {true, accepts_from, ends_at};
}

NodeId Builder::member_node(const Terms& terms) {
    return grammar_.sequence({grammar_.text(colon_), node_of(terms)});
}

Builder::Names Builder::declared_names(const Branch& branch) {
    Names names;
    std::set<std::string> seen;
    auto add = [&](const std::string& name) {
        if (seen.insert(name).second) names.push_back(name);
    };
    for (const SchemaId id : branch.objects)
        for (const auto& [name, schema] : expansion_.object_part(id).properties) add(name);
    for (const auto& [name, terms] : branch.of_member) add(name);
    for (const std::string& name : branch.required) add(name);
    for (const std::string& name : branch.forbidden) add(name);
    if (names.size() > Members::kMaxProperties)
        throw GrammarError(fmt::format("the schema has an object of more than {} properties",
                                       Members::kMaxProperties));
    return names;
}

Members Builder::limited_members(const Branch& branch) {
    Members members;
    members.max = branch.max_members == kUnbounded
                      ? kUnbounded
                      : std::min(branch.max_members, Members::kMaxCount);
    members.min = branch.min_members;
    return members;
}

NodeId Builder::members_node(Members members) {
    const size_t n_named = members.properties.size();
    if (members.min > n_named + !members.others.empty() && !members.others.empty())
        throw GrammarError(
            "minProperties is possible up to one more than there are properties with a "
            "name: the others might be one name again and again");
    if (members.min > n_named + 1) return nothing_;
    Node node;
    node.kind = Node::Kind::members;
    node.index = uint32_t(grammar_.members.size());
    grammar_.members.push_back(std::move(members));
    return grammar_.add(std::move(node));
}

NodeId Builder::object_node(const Branch& branch) {
    const Names names = declared_names(branch);
    Members members = limited_members(branch);
    members.separator = comma_;
    const LanguageId allowed = names_allowed(branch.of_names);
    for (const std::string& name : names) {
        const std::string body = json_body(name);
        const bool is_required = branch.required_names.contains(name);
        const bool is_possible =
            !branch.forbidden.contains(name) && grammar_.languages.contains(allowed, body);
        const auto number = uint32_t(members.properties.size());
        members.names.add('"' + body + '"', number);
        members.properties.push_back(
            {is_possible ? member_node(expansion_.member_terms(branch, name)) : nothing_,
             is_required});
    }
    add_others(branch, names, members);
    return grammar_.sequence({object_begin_, members_node(std::move(members)), object_end_});
}

/// The bodies of names that `propertyNames` allows.
LanguageId Builder::names_allowed(const Terms& terms) {
    if (terms.empty()) return plain_body_;
    Languages& l = grammar_.languages;
    std::vector<LanguageId> any;
    for (const Branch& branch : expansion_.branches(terms)) {
        if (!(branch.types & types::kString)) continue;
        if (branch.values) {
            std::vector<std::string> texts;
            for (const JsonValue& value : *branch.values)
                if (std::string text; value.get(text)) texts.push_back(json_body(text));
            any.push_back(l.one_of(std::move(texts)));
            continue;
        }
        Branch plain = branch;
        plain.bodies.push_back(plain_body_);
        const Body body = string_body(plain);
        any.push_back(body.counted ? l.both({body.language,
                                             l.repeat(l.spelled(CodePointSet::all(), json_char),
                                                      branch.min_length,
                                                      std::min(branch.max_length, kMaxUncounted))})
                                   : body.language);
    }
    return l.either(std::move(any));
}

/// Names that are not declared, one class for each set of patterns that they match.
void Builder::add_others(const Branch& branch, const Names& declared, Members& members) {
    Languages& l = grammar_.languages;
    std::vector<LanguageId> patterns;
    bool lists = false;
    bool says_nothing = std::ranges::none_of(branch.unevaluated, [](const Unevaluated& each) {
        return each.keyword == Keyword::unevaluated_properties;
    });
    for (const SchemaId id : branch.objects) {
        const ObjectPart& part = expansion_.object_part(id);
        for (const auto& [language, schema] : part.patterns)
            if (std::ranges::find(patterns, language) == patterns.end())
                patterns.push_back(language);
        says_nothing = says_nothing && !part.additional && part.patterns.empty();
        lists = lists || !part.properties.empty();
    }
    if (says_nothing && lists && options_.closed_objects) return;
    if (patterns.size() > kMaxPatterns)
        throw GrammarError(fmt::format("patternProperties are possible up to {}", kMaxPatterns));
    std::vector<std::string> bodies;
    for (const std::string& name : declared) bodies.push_back(json_body(name));
    const LanguageId others = l.complement(l.one_of(bodies)),
                     allowed = names_allowed(branch.of_names);
    // Any other name is one that the automaton tells from those declared by itself.
    const bool is_any = patterns.empty() && branch.of_names.empty();
    std::vector<LanguageId> names{allowed};
    if (!is_any) names.push_back(others);
    for (const NameClass& one : name_classes(std::move(names), patterns))
        if (!l.is_empty(l.both(one.names))) add_class(branch, patterns, one, members);
}

/// All combinations of patterns that a name may match; where these are many, without those that no
/// name does, which takes time to find out.
std::vector<Builder::NameClass> Builder::name_classes(std::vector<LanguageId> names,
                                                      const std::vector<LanguageId>& patterns) {
    Languages& l = grammar_.languages;
    std::vector<NameClass> classes{{0, std::move(names)}};
    for (size_t i = 0; i < patterns.size(); i++) {
        std::vector<NameClass> finer;
        for (const NameClass& one : classes) {
            for (const bool matches : {false, true}) {
                NameClass& own = finer.emplace_back(one);
                own.matched |= uint64_t(matches) << i;
                own.names.push_back(matches ? patterns[i] : l.complement(patterns[i]));
            }
        }
        if (finer.size() > kMaxNameClasses)
            std::erase_if(finer,
                          [&](const NameClass& one) { return l.is_empty(l.both(one.names)); });
        if (finer.size() > kMaxNameClasses)
            throw GrammarError(
                fmt::format("patternProperties are possible that match in up to {} combinations",
                            kMaxNameClasses));
        classes = std::move(finer);
    }
    return classes;
}

void Builder::add_class(const Branch& branch, const std::vector<LanguageId>& patterns,
                        const NameClass& names, Members& members) {
    Languages& l = grammar_.languages;
    Terms terms;
    std::set<SchemaId> speak_of_it;
    for (const SchemaId id : branch.objects) {
        const ObjectPart& part = expansion_.object_part(id);
        bool is_own = false;
        for (const auto& [language, schema] : part.patterns) {
            const auto at = std::ranges::find(patterns, language) - patterns.begin();
            if (!(names.matched >> at & 1)) continue;
            add_term(terms, {.schema = schema});
            is_own = true;
        }
        if (!is_own && part.additional) add_term(terms, {.schema = *part.additional});
        if (is_own || part.additional) speak_of_it.insert(id);
    }
    expansion_.add_unevaluated(branch, speak_of_it, terms);
    if (!terms.empty() && expansion_.branches(terms).empty()) return;
    members.others.push_back(
        {l.sequence({quote_, l.both(names.names), quote_}), member_node(terms)});
}

NodeId add_schema(Grammar& grammar, std::string_view schema, const SchemaOptions& options) {
    SchemaDocument document(schema);
    return Builder(document, grammar, options).build({{.schema = document.root()}});
}

Grammar compile_schema(std::string_view schema, const SchemaOptions& options) {
    Grammar grammar;
    grammar.languages.allow_work(options.max_work);
    grammar.root = add_schema(grammar, schema, options);
    grammar.finish();
    return grammar;
}

}  // namespace qwend::grammar
