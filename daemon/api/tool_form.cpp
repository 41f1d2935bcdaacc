#include "daemon/api/tool_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kMaxSchemaBytes = 4 << 20;  // of all tools

size_t n_schema_bytes(const Generation& generation) {
    size_t n = 0;
    for (const OfferedTool& tool : generation.tools) n += tool.schema.size();
    return n;
}

bool any_strict(const Generation& generation) {
    return std::ranges::any_of(generation.tools,
                               [](const OfferedTool& tool) { return tool.strict.value_or(false); });
}

OutputForm::Calls calls_of(ToolFormat format, const Generation& generation) {
    OutputForm::Calls calls;
    const std::string& only = generation.called_tool;
    for (const OfferedTool& tool : generation.tools)
        if (only.empty() || tool.name == only) calls.tools.push_back(tool);
    calls.format = format;
    calls.required = generation.calls_required;
    calls.only_one = !generation.parallel_tool_calls || !only.empty();
    return calls;
}

}  // namespace

std::optional<ApiError> settle_form(const OutputFormat& format, bool can_mask,
                                    Generation& generation) {
    std::optional<OutputForm>& form = generation.form;
    const bool required = generation.calls_required;
    const bool knows_calls = format.tools != ToolFormat::none;
    if (required && !knows_calls)
        return bad_request(
            "tool_choice: no call can be required of this model: how it writes one is not known, "
            "its chat template shows none",
            "tool_choice", "unsupported_parameter");
    const bool may_call = knows_calls && !generation.tools.empty();
    if (required) {
        form = OutputForm{.kind = OutputForm::Kind::text, .field = "tool_choice"};
    } else if (!form && may_call && can_mask && any_strict(generation)) {
        form = OutputForm{.kind = OutputForm::Kind::text, .field = "tools"};
    }
    if (!form) return std::nullopt;
    if (may_call) {
        if (n_schema_bytes(generation) > kMaxSchemaBytes)
            return bad_request(fmt::format("tools: their schemas have more than {} bytes, which is "
                                           "too much where calls have to obey them",
                                           kMaxSchemaBytes),
                               "tools");
        form->calls = calls_of(format.tools, generation);
        generation.untagged_calls = form->kind == OutputForm::Kind::text && !required;
    }
    if (!generation.messages.empty() && format.reasoning == ReasoningFormat::think)
        form->thinking = generation.begins_in_reasoning ? OutputForm::Thinking::begun
                                                        : OutputForm::Thinking::possible;
    return std::nullopt;
}

}  // namespace qwend
