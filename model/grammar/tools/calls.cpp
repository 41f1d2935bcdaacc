#include "model/grammar/tools/calls.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/grammar/schema/branch.h"
#include "model/grammar/spelling.h"

namespace qwend::grammar {

namespace {

constexpr std::string_view kFunction = "<function=", kFunctionEnd = "</function>";
constexpr std::string_view kParameter = "<parameter=", kParameterEnd = "</parameter>";

/// What begins with one of it.
LanguageId beginning_with(Languages& l, LanguageId language) {
    return l.sequence(language, Languages::kAnything);
}

Node list_of(NodeId item) {
    Node node;
    node.kind = Node::Kind::list;
    node.language = Languages::kEmpty;
    node.parts = {item};
    return node;
}

class CallBuilder {
  public:
    CallBuilder(Grammar& grammar, const CallRules& rules)
        : grammar_(grammar), l_(grammar.languages), rules_(rules) {
        newline_ = l_.optional(l_.literal("\n"));
        space_ = l_.optional(l_.literal(" "));
    }

    CallNodes build(NodeId answer);

  private:
    NodeId arguments_node(size_t tool);
    NodeId add_arguments(const Tool& tool, std::string_view schema);
    void check_name(size_t tool);
    NodeId by_name(std::string_view before, std::string_view behind, NodeId between);
    NodeId call_object();
    NodeId function();
    NodeId required_calls(NodeId call);
    NodeId text_and_calls(NodeId bare, NodeId tagged);
    NodeId untagged_call(NodeId object);
    LanguageId untagged_beginning();
    LanguageId json_space() {
        ByteSet set;
        for (const char c : {' ', '\t', '\r', '\n'}) set.add(uint8_t(c));
        return l_.repeat(l_.byte_in(set), 0);
    }

    Grammar& grammar_;
    Languages& l_;
    const CallRules& rules_;
    LanguageId newline_, space_;
    CallNodes nodes_;
};

NodeId CallBuilder::arguments_node(size_t number) {
    const Tool& tool = rules_.tools[number];
    if (!tool.schema.empty() && tool.arguments != Tool::Arguments::any) {
        try {
            return add_arguments(tool, tool.schema);
        } catch (const GrammarError& error) {
            if (tool.arguments == Tool::Arguments::valid) throw ToolError(number, error.what());
        }
    }
    return add_arguments(tool, R"({"type":"object"})");
}

NodeId CallBuilder::add_arguments(const Tool& tool, std::string_view schema) {
    SchemaOptions options = rules_.schema;
    options.only_objects = true;
    if (rules_.format == CallFormat::hermes) return add_schema(grammar_, schema, options);
    options.not_in_strings = kParameterEnd;
    const auto read_types = [&tool](const std::string& name) {
        const auto known = tool.read_types.find(name);
        return known == tool.read_types.end() ? types::kAll : known->second;
    };
    const ParameterStyle style{
        .begin = std::string(kParameter),
        .name_end = ">\n",
        .end = fmt::format("\n{}\n", kParameterEnd),
        .not_in_values = {std::string(kParameterEnd), fmt::format("\n{}", kParameter),
                          fmt::format("\n{}", kFunctionEnd), "\n" + rules_.close.text},
        .read_types = read_types};
    return add_parameters(grammar_, schema, options, style);
}

void CallBuilder::check_name(size_t number) {
    const std::string& name = rules_.tools[number].name;
    if (name.empty()) throw ToolError(number, "a tool needs a name");
    if (rules_.format == CallFormat::qwen3_coder && !is_tag_name(name))
        throw ToolError(number, "this name is not possible as this model writes calls");
    const auto same = std::ranges::find(rules_.tools, name, &Tool::name);
    if (same != rules_.tools.begin() + long(number))
        throw ToolError(number, "there are two tools of this name");
}

/// The name of a tool, and its arguments. It is that of an object's only member, whose value is the
/// rest: so any number of tools is but one state.
NodeId CallBuilder::by_name(std::string_view before, std::string_view behind, NodeId between) {
    Members names;
    names.min = names.max = 1;
    for (size_t i = 0; i < rules_.tools.size(); i++) {
        check_name(i);
        const std::string& name = rules_.tools[i].name;
        nodes_.arguments.push_back(arguments_node(i));
        const bool is_json = rules_.format == CallFormat::hermes;
        names.names.add(fmt::format("{}{}{}", before, is_json ? json_body(name) : name, behind),
                        uint32_t(i));
        names.properties.push_back({grammar_.sequence({between, nodes_.arguments.back()}), false});
    }
    Node node;
    node.kind = Node::Kind::members;
    node.index = uint32_t(grammar_.members.size());
    grammar_.members.push_back(std::move(names));
    return grammar_.add(std::move(node));
}

/// {"name": …, "arguments": …}
NodeId CallBuilder::call_object() {
    const NodeId between =
        grammar_.text(l_.sequence({l_.literal(","), space_, l_.literal("\"arguments\":"), space_}));
    const NodeId begin = grammar_.text(l_.sequence({l_.literal("{\"name\":"), space_}));
    return grammar_.sequence({begin, by_name("\"", "\"", between), grammar_.text(l_.literal("}"))});
}

/// <function=…>, parameters, </function>
NodeId CallBuilder::function() {
    const NodeId between = grammar_.text(l_.literal("\n"));
    return grammar_.sequence({grammar_.text(l_.literal(kFunction)), by_name("", ">", between),
                              grammar_.text(l_.literal(kFunctionEnd))});
}

NodeId CallBuilder::required_calls(NodeId call) {
    if (rules_.only_one) return call;
    const NodeId more = grammar_.sequence({grammar_.text(newline_), call});
    return grammar_.sequence({call, grammar_.add(list_of(more))});
}

/// What a reader takes for a call without tags, whatever its arguments.
LanguageId CallBuilder::untagged_beginning() {
    std::vector<std::string> names;
    for (const Tool& tool : rules_.tools) names.push_back(tool.name);
    const LanguageId space = json_space();
    const LanguageId fence =
        l_.optional(l_.sequence(l_.literal("```"), l_.optional(l_.literal("json"))));
    std::initializer_list<LanguageId> parts = {space,
                                               fence,
                                               space,
                                               l_.literal("{"),
                                               space,
                                               l_.literal("\"name\""),
                                               space,
                                               l_.literal(":"),
                                               space,
                                               l_.literal("\""),
                                               l_.one_of(std::move(names)),
                                               l_.literal("\""),
                                               space,
                                               l_.literal(","),
                                               space,
                                               l_.literal("\"arguments\""),
                                               space,
                                               l_.literal(":"),
                                               space,
                                               l_.literal("{")};
    return l_.sequence(parts);
}

/// A name that JSON escapes is none that a reader knows without tags.
NodeId CallBuilder::untagged_call(NodeId object) {
    for (const Tool& tool : rules_.tools)
        if (json_body(tool.name) != tool.name) return grammar_.text(Languages::kNothing);
    const LanguageId lines = l_.repeat(l_.literal("\n"), 0, 2);
    const NodeId space = grammar_.text(lines);
    const NodeId fence = grammar_.text(
        l_.sequence({lines, l_.literal("```"), l_.optional(l_.literal("json")), lines}));
    const NodeId fence_end = grammar_.text(l_.sequence(lines, l_.literal("```")));
    const NodeId alone = grammar_.sequence({space, object});
    if (rules_.only_one)
        return grammar_.choice({alone, grammar_.sequence({fence, object, fence_end})});
    const NodeId more = grammar_.add(list_of(alone));
    return grammar_.choice({alone, grammar_.sequence({fence, object, more, fence_end})});
}

NodeId CallBuilder::text_and_calls(NodeId bare, NodeId tagged) {
    const bool is_json = rules_.format == CallFormat::hermes;
    std::vector<std::string> markers{rules_.open.text};
    if (!is_json) markers.emplace_back(kFunction);
    const LanguageId text = text_without(l_, std::move(markers));
    std::vector<LanguageId> beginnings;
    if (is_json) beginnings.push_back(untagged_beginning());
    if (!rules_.no_beginning.empty())
        beginnings.push_back(l_.sequence(json_space(), l_.literal(rules_.no_beginning)));
    const LanguageId begin =
        l_.both({text, l_.complement(beginning_with(l_, l_.either(std::move(beginnings))))});
    const NodeId first = grammar_.text(begin);
    const NodeId untagged = is_json ? untagged_call(bare) : grammar_.text(Languages::kNothing);
    const NodeId call = is_json ? tagged : grammar_.choice({tagged, bare});
    if (rules_.only_one) {
        const NodeId rest = grammar_.choice({call, grammar_.text(Languages::kEmpty)});
        return grammar_.choice({untagged, grammar_.sequence({first, rest})});
    }
    const NodeId more = grammar_.sequence({call, grammar_.text(text)});
    return grammar_.sequence({grammar_.add(list_of(untagged)), first, grammar_.add(list_of(more))});
}

CallNodes CallBuilder::build(NodeId answer) {
    const NodeId bare = rules_.format == CallFormat::hermes ? call_object() : function();
    const NodeId open = grammar_.text(l_.sequence(tag_language(l_, rules_.open), newline_));
    const NodeId close = grammar_.text(l_.sequence(newline_, tag_language(l_, rules_.close)));
    const NodeId call = grammar_.sequence({open, bare, close});
    if (rules_.required)
        nodes_.root = required_calls(call);
    else if (answer != kNoNode)
        nodes_.root = grammar_.choice({required_calls(call), answer});
    else
        nodes_.root = text_and_calls(bare, call);
    return std::move(nodes_);
}

}  // namespace

CallNodes add_calls(Grammar& grammar, const CallRules& rules, NodeId answer) {
    return CallBuilder(grammar, rules).build(answer);
}

void check_tools(const Grammar& grammar, const CallRules& rules, const CallNodes& nodes) {
    for (size_t i = 0; i < rules.tools.size(); i++)
        if (grammar.nodes[nodes.arguments[i]].depth == kUnbounded)
            throw ToolError(i, "there is nothing that it could be called with");
}

}  // namespace qwend::grammar
