#include <string>
#include <utility>

#include "daemon/api/anthropic/reader.h"
#include "daemon/api/json_writer.h"

namespace qwend {

namespace {

constexpr size_t kMaxTools = 1024;  // functions a model may be offered

/// A schema as it was written, but that every tool takes an object, whether its schema says so or
/// not.
std::string schema_of(const JsonValue& value) {
    std::string schema(value.raw());
    if (value.member("type")) return schema;
    const bool is_empty = !(value.members().begin() != value.members().end());
    return schema.insert(1, is_empty ? R"("type":"object")" : R"("type":"object",)");
}

/// A function as chat templates know it.
bool read_tool(MessagesReader& r, const std::string& at, const JsonValue& tool) {
    std::string type = "custom", name, description;
    const auto type_member = tool.member("type"), name_member = tool.member("name");
    const auto description_member = tool.member("description");
    const auto schema = tool.member("input_schema");
    if (!tool.is_object()) return r.read.expected(at, "an object", tool);
    if (type_member && !type_member->is_null() && !r.read.string(at + ".type", *type_member, type))
        return false;
    // Anthropic's servers run these themselves, and there is nothing here that could.
    if (!schema && type != "custom") return true;
    if (!name_member || !name_member->get(name) || name.empty())
        return r.read.expected(at + ".name", "a name", tool);
    if (!schema || !schema->is_object())
        return r.read.expected(at + ".input_schema", "a schema, which is an object", tool);
    JsonWriter w;
    w.begin_object().key("type").string("function").key("function").begin_object();
    w.key("name").string(name);
    if (description_member && description_member->get(description))
        w.key("description").string(description);
    w.key("parameters").raw(schema_of(*schema)).end_object().end_object();
    r.generation.chat_options.tools.push_back(w.take());
    return read_offered_tool(r.read, at, tool, "input_schema", std::move(name), r.generation);
}

}  // namespace

bool MessagesReader::tools(const JsonValue& value) {
    if (!value.is_array()) return read.expected("tools", "an array", value);
    size_t i = 0;
    for (const JsonValue element : value.elements()) {
        if (i == kMaxTools)
            return read.fail("tools", fmt::format("tools: expected at most {}", kMaxTools));
        if (!read_tool(*this, fmt::format("tools[{}]", i++), element)) return false;
    }
    return true;
}

bool MessagesReader::tool_choice(const JsonValue& value) {
    std::string type;
    const auto named = value.member("type");
    if (!named || !named->get(type))
        return read.expected("tool_choice", "an object with a type", value);
    const auto name = value.member("name");
    choice.none = type == "none";
    choice.required = type == "any" || type == "tool";
    if (type == "tool" && (!name || !name->get(choice.name) || choice.name.empty()))
        return read.expected("tool_choice.name", "the name of a tool", value);
    if (!choice.none && !choice.required && type != "auto")
        return read.unsupported("tool_choice", "only auto, any, tool and none");
    const auto one = value.member("disable_parallel_tool_use");
    bool only_one = false;
    if (one && !one->is_null() &&
        !read.boolean("tool_choice.disable_parallel_tool_use", *one, only_one))
        return false;
    generation.parallel_tool_calls = !only_one;
    return true;
}

}  // namespace qwend
