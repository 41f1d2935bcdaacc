#include "daemon/api/tool_fields.h"

#include <algorithm>
#include <utility>

#include "model/utf8.h"

namespace qwend {

bool ToolChoice::set_mode(std::string_view mode) {
    none = mode == "none";
    required = mode == "required";
    return none || required || mode == "auto";
}

bool read_offered_tool(FieldReader& read, const std::string& at, const JsonValue& function,
                       const char* schema, std::string name, Generation& generation) {
    OfferedTool& tool = generation.tools.emplace_back();
    tool.name = std::move(name);
    tool.field = at + '.' + schema;
    if (const auto given = function.member(schema); given && !given->is_null())
        tool.schema = given->raw();
    const auto strict = function.member("strict");
    return !strict || strict->is_null() ||
           read.boolean(at + ".strict", *strict, tool.strict.emplace());
}

namespace {

bool has_tool(const Generation& generation, const std::string& name) {
    return std::ranges::find(generation.tools, name, &OfferedTool::name) != generation.tools.end();
}

bool no_tool(FieldReader& read, const std::string& field, const std::string& name) {
    return read.fail(field, fmt::format("{}: no tool is named \"{}\"", field, excerpt(name)));
}

void keep_tools(const std::vector<std::string>& names, Generation& generation) {
    std::vector<std::string>& shown = generation.chat_options.tools;
    size_t n_kept = 0;
    for (size_t i = 0; i < shown.size(); i++) {
        OfferedTool& tool = generation.tools[i];
        if (std::ranges::find(names, tool.name) == names.end()) continue;
        std::swap(shown[n_kept], shown[i]);
        std::swap(generation.tools[n_kept++], tool);
    }
    shown.resize(n_kept);
    generation.tools.resize(n_kept);
}

}  // namespace

bool settle_tool_choice(FieldReader& read, const ToolChoice& choice, Generation& generation) {
    if (choice.none) keep_tools({}, generation);
    if (choice.allowed) {
        for (const std::string& name : *choice.allowed)
            if (!has_tool(generation, name))
                return no_tool(read, "tool_choice.allowed_tools", name);
        keep_tools(*choice.allowed, generation);
    }
    if (!choice.name.empty() && !has_tool(generation, choice.name))
        return no_tool(read, "tool_choice", choice.name);
    if (choice.required && generation.tools.empty())
        return read.fail("tool_choice",
                         "tool_choice: there are no tools, of which one is to be called");
    generation.calls_required = choice.required;
    generation.called_tool = choice.name;
    return true;
}

}  // namespace qwend
