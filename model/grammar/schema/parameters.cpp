// Arguments one by one, as bare text: what the builder makes of a schema for them.

#include <fmt/core.h>

#include <algorithm>

#include "model/grammar/schema/builder.h"
#include "model/grammar/spelling.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

constexpr uint32_t kMaxTextLength = 2'000;  // characters, where a text's length is bounded
constexpr uint32_t kMaxOtherName = 64;      // characters of a name that the schema does not have
constexpr size_t kMaxName = 256;            // bytes

LanguageId json_space(Languages& l) {
    ByteSet set;
    for (const char c : {' ', '\t', '\r', '\n'}) set.add(uint8_t(c));
    return l.repeat(l.byte_in(set), 0);
}

LanguageId json_number(Languages& l) {
    ByteSet all, first, e, sign;
    for (uint8_t c = '0'; c <= '9'; c++) all.add(c);
    for (uint8_t c = '1'; c <= '9'; c++) first.add(c);
    for (const char c : {'e', 'E'}) e.add(uint8_t(c));
    for (const char c : {'+', '-'}) sign.add(uint8_t(c));
    const LanguageId digits = l.repeat(l.byte_in(all), 1);
    const LanguageId whole =
        l.either({l.literal("0"), l.sequence(l.byte_in(first), l.repeat(l.byte_in(all), 0))});
    return l.sequence(
        {l.optional(l.literal("-")), whole, l.optional(l.sequence(l.literal("."), digits)),
         l.optional(l.sequence({l.byte_in(e), l.optional(l.byte_in(sign)), digits}))});
}

}  // namespace

bool is_tag_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && std::ranges::none_of(name, [](char c) {
        return c == '<' || c == '>' || uint8_t(c) < 0x20;
    });
}

NodeId add_parameters(Grammar& grammar, std::string_view schema, const SchemaOptions& options,
                      const ParameterStyle& style) {
    SchemaDocument document(schema);
    return Builder(document, grammar, options)
        .build_parameters({{.schema = document.root()}}, style);
}

NodeId Builder::build_parameters(const Terms& terms, const ParameterStyle& style) {
    const NodeId root = grammar_.choice(nodes_of_branches(terms, [&](const Branch& branch) {
        return branch.types & types::kObject ? parameters_node(branch, style) : nothing_;
    }));
    build_rest();
    return root;
}

NodeId Builder::parameters_node(const Branch& branch, const ParameterStyle& style) {
    if (branch.values)
        throw GrammarError(
            "arguments that are one of some objects are not possible as this model "
            "writes them");
    Members members = limited_members(branch);
    members.separator = grammar_.languages.literal(style.begin);
    const LanguageId allowed = names_allowed(branch.of_names);
    for (const std::string& name : declared_names(branch)) {
        const bool is_required = std::ranges::find(branch.required, name) != branch.required.end();
        if (!is_tag_name(name) && is_required)
            throw GrammarError(
                fmt::format("a parameter of the name \"{}\" is not possible as this "
                            "model writes them",
                            excerpt(name)));
        if (!is_tag_name(name)) continue;
        const bool is_possible = !branch.forbidden.contains(name) &&
                                 grammar_.languages.contains(allowed, json_body(name));
        const NodeId value = is_possible ? parameter_value(expansion_.member_terms(branch, name),
                                                           style.read_types(name), style)
                                         : nothing_;
        members.names.add(name + style.name_end, uint32_t(members.properties.size()));
        members.properties.push_back({value, is_required});
    }
    if (branch.of_names.empty()) add_other_parameters(branch, style, members);
    const bool has_some = members.min > 0 || !branch.required.empty();
    members.min = std::max(members.min, 1u);
    const NodeId begin = grammar_.text(grammar_.languages.literal(style.begin));
    const NodeId some = grammar_.sequence({begin, members_node(std::move(members))});
    return has_some ? some : grammar_.choice({grammar_.text(Languages::kEmpty), some});
}

/// As add_others(), where no pattern is to be told from another.
void Builder::add_other_parameters(const Branch& branch, const ParameterStyle& style,
                                   Members& members) {
    Terms terms;
    bool lists = false;
    std::set<SchemaId> speak_of_it;
    for (const SchemaId id : branch.objects) {
        const ObjectPart& part = expansion_.object_part(id);
        if (!part.patterns.empty()) return;
        if (part.additional) add_term(terms, {.schema = *part.additional});
        if (part.additional) speak_of_it.insert(id);
        lists = lists || !part.properties.empty();
    }
    expansion_.add_unevaluated(branch, speak_of_it, terms);
    if (terms.empty() && speak_of_it.empty() && lists && options_.closed_objects) return;
    if (!terms.empty() && expansion_.branches(terms).empty()) return;
    Languages& l = grammar_.languages;
    CodePointSet angles('<');
    angles.add('>', '>');
    const CodePointSet characters =
        CodePointSet(0x20, kMaxCodePoint).intersection(angles.complement());
    const LanguageId name = l.repeat(utf8_char(l, characters), 1, kMaxOtherName);
    members.others.push_back(
        {l.sequence(name, l.literal(style.name_end)), parameter_value(terms, types::kAll, style)});
}

NodeId Builder::parameter_value(const Terms& terms, uint8_t read_types,
                                const ParameterStyle& style) {
    Languages& l = grammar_.languages;
    // Of what stands behind the name's end, which counts as well.
    LanguageId text = l.both({l.repeat(utf8_char(l, CodePointSet::all()), 0),
                              l.complement(l.containing(style.not_in_values))});
    text = l.after(text, uint8_t(style.name_end.back()));
    const NodeId end = grammar_.text(l.literal(style.end));
    if (terms.empty()) return grammar_.sequence({grammar_.text(text), end});
    text = l.both({text, l.complement(read_as_other(read_types))});
    auto either = [&](Branch branch) {
        const bool may_be_text = branch.types & types::kString;
        const NodeId bare =
            may_be_text ? grammar_.text(l.both({text, parameter_text(branch)})) : nothing_;
        branch.types &= uint8_t(read_types & ~types::kString);
        if (branch.values)
            std::erase_if(*branch.values,
                          [&](const JsonValue& v) { return !(type_of(v) & branch.types); });
        return grammar_.choice({bare, branch_node(branch)});
    };
    return grammar_.sequence({grammar_.choice(nodes_of_branches(terms, either)), end});
}

/// The strings of the branch, as they are.
LanguageId Builder::parameter_text(const Branch& branch) {
    Languages& l = grammar_.languages;
    auto texts = [](const std::vector<JsonValue>& values) {
        std::vector<std::string> out;
        for (const JsonValue& value : values)
            if (std::string text; value.get(text)) out.push_back(std::move(text));
        return out;
    };
    if (branch.values) return l.one_of(texts(*branch.values));
    std::vector<LanguageId> all = branch.bodies;
    CodePointSet escaped(0, 0x1F);
    for (const char c : {'"', '\\'}) escaped.add(uint32_t(c), uint32_t(c));
    const LanguageId character =
        utf8_char(l, all.empty() ? CodePointSet::all() : escaped.complement());
    if (branch.min_length > kMaxTextLength)
        throw GrammarError(
            fmt::format("a length from {} on at most is possible as this model "
                        "writes strings",
                        kMaxTextLength));
    // Longer ones would be valid, but are not generated.
    const uint32_t max =
        branch.max_length == kUnbounded ? kUnbounded : std::min(branch.max_length, kMaxTextLength);
    all.push_back(l.repeat(character, branch.min_length, max));
    if (auto excluded = texts(branch.excluded); !excluded.empty())
        all.push_back(l.complement(l.one_of(std::move(excluded))));
    return l.both(std::move(all));
}

/// What a reader takes for a value of these types, other than a string.
LanguageId Builder::read_as_other(uint8_t types) {
    Languages& l = grammar_.languages;
    const LanguageId space = json_space(l);
    std::vector<LanguageId> all;
    auto add = [&](uint8_t type, LanguageId text, LanguageId behind) {
        if (types & type) all.push_back(l.sequence({space, text, behind}));
    };
    add(types::kNull, l.literal("null"), space);
    add(types::kTrue, l.literal("true"), space);
    add(types::kFalse, l.literal("false"), space);
    add(types::kNumber, json_number(l), space);
    add(types::kArray, l.literal("["), Languages::kAnything);
    add(types::kObject, l.literal("{"), Languages::kAnything);
    return l.either(std::move(all));
}

}  // namespace qwend::grammar
