#include "model/grammar/tools/structural_tag.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "model/grammar/compile.h"
#include "model/grammar/grammar_text.h"
#include "model/grammar/left_recursion.h"
#include "model/grammar/regex_syntax.h"
#include "model/grammar/regular.h"
#include "model/grammar/spelling.h"
#include "model/json_document.h"
#include "model/utf8.h"

namespace qwend::grammar {

namespace {

using Strings = std::vector<std::string>;

/// A format of the tree, and where it is.
struct Place {
    JsonValue value;
    std::string path;

    [[noreturn]] void fail(std::string_view why) const {
        throw GrammarError(fmt::format("{}: {}", path, why));
    }
    std::optional<Place> find(std::string_view name) const {
        const auto member = value.member(name);
        if (!member || member->is_null()) return std::nullopt;
        return Place{*member, path.empty() ? std::string(name) : fmt::format("{}.{}", path, name)};
    }
    Place at(std::string_view name) const {
        const auto found = find(name);
        if (!found) fail(fmt::format("expected \"{}\"", name));
        return *found;
    }
    std::string string() const {
        std::string out;
        if (!value.get(out)) fail("expected a string");
        return out;
    }
    bool flag(std::string_view name) const {
        bool out = false;
        const auto found = find(name);
        if (found && !found->value.get(out)) found->fail("expected true or false");
        return out;
    }
    uint32_t count(std::string_view name, uint32_t otherwise) const {
        constexpr int64_t kMost = 1'000'000;
        const auto found = find(name);
        int64_t out = 0;
        if (!found) return otherwise;
        if (!found->value.get(out) || out > kMost || out < -1)
            found->fail(fmt::format("expected an integer of at most {}", kMost));
        return out < 0 ? kUnbounded : uint32_t(out);  // XGrammar's -1: without an end
    }
    std::vector<Place> elements() const {
        std::vector<Place> out;
        if (!value.is_array()) fail("expected an array");
        for (const JsonValue& element : value.elements())
            out.push_back({element, fmt::format("{}[{}]", path, out.size())});
        if (out.empty()) fail("expected at least one element");
        return out;
    }
    Strings strings() const {
        Strings out;
        for (const Place& element : elements()) {
            out.push_back(element.string());
            if (out.back().empty()) element.fail("expected a string that is not empty");
        }
        return out;
    }
    /// Whatever else it has would change what is meant.
    void has_only(std::initializer_list<std::string_view> names) const {
        for (const auto& [name, member] : value.members())
            if (name != "type" && !member.is_null() &&
                std::ranges::find(names, name) == names.end())
                throw GrammarError(fmt::format("{}{}\"{}\" is not supported", path,
                                               path.empty() ? "" : ": ", excerpt(name)));
    }
};

class TagBuilder {
  public:
    TagBuilder(Grammar& grammar, const SchemaOptions& schema, std::vector<Tag> special)
        : grammar_(grammar), l_(grammar.languages), schema_(schema), special_(std::move(special)) {
        std::erase_if(special_, [](auto& tag) { return tag.text.empty(); });
        // Of those that begin at one place, a tokenizer takes the longest.
        std::ranges::sort(special_, std::ranges::greater(),
                          [](auto& tag) { return tag.text.size(); });
    }

    NodeId format(const Place& place, const Strings& ends, int depth);
    NodeId structures(const Place& place);

  private:
    struct Triggered {
        std::vector<NodeId> tags;
        Strings begins, triggers, excludes;
        bool at_least_one = false, stop_after_first = false;
    };

    NodeId literal(std::string_view text);
    NodeId any_text(Strings without);
    NodeId schema(const Place& place);
    NodeId regex(const Place& place);
    NodeId grammar_of(const Place& place);
    NodeId repeat(const Place& place, uint32_t min, uint32_t max, const Strings& ends, int depth);
    NodeId list(NodeId item, uint32_t min, uint32_t max, LanguageId separator = Languages::kEmpty);
    std::vector<NodeId> formats(const Place& place, const Strings& ends, int depth);
    NodeId tag(const Place& place, int depth);
    NodeId triggered(const Place& place, int depth);
    NodeId triggered(const Place& place, Triggered all);
    NodeId separated(const Place& place, int depth);
    LanguageId separator(const Place& place);

    Grammar& grammar_;
    Languages& l_;
    const SchemaOptions& schema_;
    std::vector<Tag> special_;  // the longest first
};

/// As it is, or with tokens where it spells some.
NodeId TagBuilder::literal(std::string_view text) {
    std::vector<LanguageId> parts;
    for (size_t begin = 0, at = 0; at <= text.size();) {
        const std::string_view rest = text.substr(at);
        const auto spelled =
            std::ranges::find_if(special_, [&](auto& tag) { return rest.starts_with(tag.text); });
        const bool is_special = spelled != special_.end();
        if ((is_special || rest.empty()) && at > begin)
            parts.push_back(l_.literal(text.substr(begin, at - begin)));
        if (is_special) parts.push_back(tag_language(l_, *spelled));
        at += is_special ? spelled->text.size() : 1;
        if (is_special) begin = at;
    }
    LanguageId all = Languages::kEmpty;
    for (; !parts.empty(); parts.pop_back()) all = l_.sequence(parts.back(), all);
    return grammar_.text(all);
}

NodeId TagBuilder::any_text(Strings without) {
    return grammar_.text(text_without(l_, std::move(without)));
}

NodeId TagBuilder::list(NodeId item, uint32_t min, uint32_t max, LanguageId between) {
    Node node;
    node.kind = Node::Kind::list;
    node.language = between;
    node.parts = {item};
    node.min = min, node.max = max;
    return grammar_.add(std::move(node));
}

/// Errors of what is in other notations say where in those.
template <class Compile>
auto compiled_at(const Place& place, Compile compile) {
    try {
        return compile();
    } catch (const GrammarError& error) {
        place.fail(error.what());
    }
}

NodeId TagBuilder::schema(const Place& place) {
    place.has_only({"json_schema", "style"});
    if (const auto style = place.find("style"); style && style->string() != "json")
        style->fail("only \"json\" is supported");
    const Place at = place.at("json_schema");
    return compiled_at(at, [&] { return add_schema(grammar_, at.value.raw(), schema_); });
}

NodeId TagBuilder::regex(const Place& place) {
    place.has_only({"pattern"});
    const Place at = place.at("pattern");
    const std::string pattern = at.string();
    return compiled_at(
        at, [&] { return grammar_.text(full_match(l_, parse_regex(pattern), utf8_char)); });
}

NodeId TagBuilder::grammar_of(const Place& place) {
    place.has_only({"grammar"});
    const Place at = place.at("grammar");
    const std::string text = at.string();
    return compiled_at(
        at, [&] { return add_grammar(grammar_, without_left_recursion(parse_grammar(text))); });
}

std::vector<NodeId> TagBuilder::formats(const Place& place, const Strings& ends, int depth) {
    std::vector<NodeId> nodes;
    for (const Place& element : place.at("elements").elements())
        nodes.push_back(format(element, ends, depth));
    return nodes;
}

NodeId TagBuilder::repeat(const Place& place, uint32_t min, uint32_t max, const Strings& ends,
                          int depth) {
    const NodeId item = format(place.at("content"), ends, depth);
    if (min > max) place.fail("expected \"min\" to be at most \"max\"");
    if (max == 1 && min == 0) return grammar_.choice({item, grammar_.text(Languages::kEmpty)});
    return list(item, min, max);
}

NodeId TagBuilder::tag(const Place& place, int depth) {
    place.has_only({"begin", "content", "end"});
    const Place end = place.at("end");
    const Strings ends = end.value.is_array() ? end.strings() : Strings{end.string()};
    Strings marks = ends;
    std::erase(marks, "");  // what ends with nothing ends anywhere
    std::vector<NodeId> closings;
    for (const std::string& text : ends) closings.push_back(literal(text));
    return grammar_.sequence({literal(place.at("begin").string()),
                              format(place.at("content"), marks, depth),
                              grammar_.choice(std::move(closings))});
}

NodeId TagBuilder::triggered(const Place& place, int depth) {
    place.has_only({"triggers", "tags", "at_least_one", "stop_after_first", "excludes"});
    Triggered all;
    all.triggers = place.at("triggers").strings();
    if (const auto excludes = place.find("excludes");
        excludes && !excludes->value.raw().ends_with("[]"))
        all.excludes = excludes->strings();
    all.at_least_one = place.flag("at_least_one");
    all.stop_after_first = place.flag("stop_after_first");
    for (const Place& element : place.at("tags").elements()) {
        all.begins.push_back(element.at("begin").string());
        all.tags.push_back(tag(element, depth));
    }
    return triggered(place, std::move(all));
}

NodeId TagBuilder::triggered(const Place& place, Triggered all) {
    for (const std::string& begin : all.begins) {
        const auto n = std::ranges::count_if(
            all.triggers, [&](auto& trigger) { return begin.starts_with(trigger); });
        if (n != 1)
            place.fail(fmt::format(
                "expected \"{}\" to begin with one of the triggers, and one only", begin));
    }
    Strings without = std::move(all.triggers);
    std::ranges::move(all.excludes, std::back_inserter(without));
    const NodeId text = any_text(std::move(without));
    const NodeId one = grammar_.choice(std::move(all.tags));
    const NodeId maybe = grammar_.choice({one, grammar_.text(Languages::kEmpty)});
    if (all.stop_after_first) return all.at_least_one ? one : grammar_.sequence({text, maybe});
    const NodeId more = list(grammar_.sequence({one, text}), all.at_least_one ? 1 : 0, kUnbounded);
    return all.at_least_one ? more : grammar_.sequence({text, more});
}

LanguageId TagBuilder::separator(const Place& place) {
    const std::string text = place.at("separator").string();
    return text.empty() ? Languages::kEmpty : l_.literal(text);
}

NodeId TagBuilder::separated(const Place& place, int depth) {
    place.has_only({"tags", "separator", "at_least_one", "stop_after_first"});
    std::vector<NodeId> tags;
    for (const Place& element : place.at("tags").elements()) tags.push_back(tag(element, depth));
    const uint32_t min = place.flag("at_least_one") ? 1 : 0;
    const uint32_t max = place.flag("stop_after_first") ? 1 : kUnbounded;
    return list(grammar_.choice(std::move(tags)), min, max, separator(place));
}

NodeId TagBuilder::format(const Place& place, const Strings& ends, int depth) {
    constexpr int kMaxDepth = 64;
    if (depth > kMaxDepth) place.fail(fmt::format("expected at most {} levels", kMaxDepth));
    if (!place.value.is_object()) place.fail("expected an object with a type");
    const std::string type = place.at("type").string();
    const int inner = depth + 1;
    if (type == "const_string") {
        place.has_only({"value"});
        return literal(place.at("value").string());
    }
    if (type == "json_schema") return schema(place);
    if (type == "regex") return regex(place);
    if (type == "grammar") return grammar_of(place);
    if (type == "any_text") {
        place.has_only({"excludes"});
        Strings without = ends;
        if (const auto excludes = place.find("excludes"); excludes && excludes->value.raw() != "[]")
            std::ranges::move(excludes->strings(), std::back_inserter(without));
        return any_text(std::move(without));
    }
    if (type == "sequence" || type == "or") {
        place.has_only({"elements"});
        std::vector<NodeId> nodes = formats(place, ends, inner);
        return type == "or" ? grammar_.choice(std::move(nodes))
                            : grammar_.sequence(std::move(nodes));
    }
    if (type == "repeat") {
        place.has_only({"content", "min", "max"});
        return repeat(place, place.count("min", 0), place.count("max", kUnbounded), ends, inner);
    }
    if (type == "optional" || type == "plus" || type == "star") {
        place.has_only({"content"});
        return repeat(place, type == "plus" ? 1 : 0, type == "optional" ? 1 : kUnbounded, ends,
                      inner);
    }
    if (type == "tag") return tag(place, inner);
    if (type == "triggered_tags") return triggered(place, inner);
    if (type == "tags_with_separator") return separated(place, inner);
    place.at("type").fail(fmt::format("\"{}\" is not supported", excerpt(type)));
}

/// {"structures":[{"begin":…,"schema":…,"end":…}],"triggers":[…]}
NodeId TagBuilder::structures(const Place& place) {
    place.has_only({"structures", "triggers"});
    Triggered all;
    all.triggers = place.at("triggers").strings();
    for (const Place& element : place.at("structures").elements()) {
        element.has_only({"begin", "schema", "end"});
        const Place at = element.at("schema");
        all.begins.push_back(element.at("begin").string());
        all.tags.push_back(grammar_.sequence(
            {literal(all.begins.back()),
             compiled_at(at, [&] { return add_schema(grammar_, at.value.raw(), schema_); }),
             literal(element.at("end").string())}));
    }
    return triggered(place, std::move(all));
}

}  // namespace

Grammar compile_structural_tag(std::string_view json, const SchemaOptions& schema,
                               std::vector<Tag> special) {
    JsonDocument document;
    if (const auto fault = document.parse(json))
        throw GrammarError(fmt::format("expected JSON, which it is not at byte {}", fault->offset));
    const Place place{document.root(), ""};
    if (!place.value.is_object()) throw GrammarError("expected an object");
    Grammar grammar;
    TagBuilder builder(grammar, schema, std::move(special));
    if (!place.find("structures") && !place.find("format"))
        throw GrammarError("expected \"format\", or \"structures\" and \"triggers\"");
    if (place.find("structures")) {
        grammar.root = builder.structures(place);
    } else {
        place.has_only({"format"});
        grammar.root = builder.format(place.at("format"), {}, 0);
    }
    grammar.finish();
    return grammar;
}

}  // namespace qwend::grammar
