// Tools of a response: what a template shows the model of each, and how the client knows it.

#include "daemon/api/json_writer.h"
#include "daemon/api/responses/reader.h"

namespace qwend {

namespace {

/// What a custom tool takes.
constexpr std::string_view kCustomSchema =
    R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})";

/// As chat has it: what a model should know of a function, in the client's order of members.
std::string function_tool(const JsonValue& function, const std::string& called) {
    JsonWriter w;
    w.begin_object().key("type").string("function").key("function").begin_object();
    for (const auto& [key, value] : function.members()) {
        if (key == "name") w.key(key).string(called);
        if ((key == "description" || key == "parameters") && !value.is_null())
            w.key(key).raw(value.raw());
    }
    w.end_object().end_object();
    return w.take();
}

/// A function of one string. What the text has to look like, a grammar says; the model may read it.
std::string custom_tool(const JsonValue& tool, const std::string& called) {
    std::string description, definition;
    if (const auto given = tool.member("description")) given->get(description);
    const auto format = tool.member("format");
    if (const auto grammar = format ? format->member("definition") : std::nullopt)
        grammar->get(definition);
    if (!definition.empty())
        description.append(description.empty() ? "" : "\n\n")
            .append("The input follows this grammar:\n")
            .append(definition);
    JsonWriter w;
    w.begin_object().key("type").string("function").key("function").begin_object();
    w.key("name").string(called).key("description").string(description);
    w.key("parameters").raw(kCustomSchema);
    w.end_object().end_object();
    return w.take();
}

}  // namespace

std::string called_name(const std::string& name_space, const std::string& name) {
    return name_space.empty() ? name : name_space + "__" + name;
}

bool ResponseReader::tools(const JsonValue& value) {
    if (!value.is_array()) return read.expected("tools", "an array", value);
    size_t i = 0;
    for (const JsonValue tool : value.elements())
        if (!add_tool(fmt::format("tools[{}]", i++), tool, "")) return false;
    return true;
}

/// Tools that a server would run itself are none of ours, and clients list them with those that
/// are: what is never called changes nothing.
bool ResponseReader::add_tool(const std::string& at, const JsonValue& tool,
                              const std::string& name_space) {
    std::string type;
    const auto named = tool.member("type");
    if (!named || !named->get(type)) return read.expected(at, "an object with a type", tool);
    if (type == "function") {
        const auto nested = tool.member("function");  // as chat has it
        const JsonValue& function = nested && nested->is_object() ? *nested : tool;
        const std::string function_at = nested ? at + ".function" : at;
        if (!add_name(function_at, function, name_space, ResponseTool::Kind::function))
            return false;
        generation.chat_options.tools.push_back(function_tool(function, style.tools.back().called));
    } else if (type == "custom") {
        if (!add_name(at, tool, name_space, ResponseTool::Kind::custom)) return false;
        generation.chat_options.tools.push_back(custom_tool(tool, style.tools.back().called));
    } else if (type == "namespace" && name_space.empty()) {
        std::string name;
        const auto given = tool.member("name"), tools = tool.member("tools");
        if (!given || !given->get(name) || name.empty() || !tools || !tools->is_array())
            return read.expected(at, "an object with a name and tools", tool);
        size_t i = 0;
        for (const JsonValue element : tools->elements())
            if (!add_tool(fmt::format("{}.tools[{}]", at, i++), element, name)) return false;
    } else {
        note_unknown("tools." + type);
    }
    return true;
}

bool ResponseReader::add_name(const std::string& at, const JsonValue& tool,
                              const std::string& name_space, ResponseTool::Kind kind) {
    ResponseTool known{{}, kind, name_space, {}};
    const auto name = tool.member("name");
    if (!name || !name->get(known.name)) return read.expected(at, "an object with a name", tool);
    if (style.tools.size() == kMaxTools)
        return read.fail("tools", fmt::format("tools: expected at most {}", kMaxTools));
    known.called = called_name(name_space, known.name);
    if (!read_offered_tool(read, at, tool, "parameters", known.called, generation)) return false;
    if (kind == ResponseTool::Kind::custom) generation.tools.back().schema = kCustomSchema;
    style.tools.push_back(std::move(known));
    return true;
}

}  // namespace qwend
