#include "daemon/api/openai/request_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/api/openai/fields.h"
#include "daemon/api/unknown_fields.h"

namespace qwend {

bool read_field(RequestReader& r, const std::string& name, const JsonValue& value, unsigned scope) {
    const auto found = request_fields().find(name);
    if (found != request_fields().end() && (found->second.scope & scope))
        return value.is_null() || found->second.read(r, value);  // null is the same as absent
    std::string_view instead;
    // A response is a chat by another name.
    switch (judge_other_field(name, value, scope & kResponses ? kChat : scope, instead)) {
        case OtherField::harmless:
            return true;
        case OtherField::refused:
            return r.read.unsupported(name, instead);
        case OtherField::unknown:
            note_unknown_field(name, r.request.n_unknown_fields, r.request.unknown_fields);
    }
    return true;
}

std::string named_model(const JsonDocument& document) {
    std::string name;
    const auto member = document.root().member("model");
    if (!member || !member->get(name)) name.clear();
    return name;
}

bool settle_common(RequestReader& r) {
    const std::string& model = r.style.model;
    const auto& models = r.limits.models;
    if (!model.empty() && !models.empty() &&
        std::find(models.begin(), models.end(), model) == models.end()) {
        r.read.error = model_not_found(model);
        return false;
    }
    if (r.generation.chat_options.continue_final_message && r.asks_generation_prompt)
        return r.read.fail("continue_final_message",
                           "continue_final_message: not together with add_generation_prompt");
    return true;
}

bool settle_tools(RequestReader& r) {
    std::vector<std::string>& tools = r.generation.chat_options.tools;
    if (!r.use_tools) tools.clear();
    if (!r.allowed_tools) return true;
    const std::vector<std::string>&allowed = *r.allowed_tools, &names = r.tool_names;
    for (const std::string& name : allowed)
        if (std::find(names.begin(), names.end(), name) == names.end())
            return r.read.fail(
                "tool_choice.allowed_tools",
                fmt::format("tool_choice.allowed_tools: no tool is named \"{}\"", excerpt(name)));
    std::vector<std::string> kept;
    for (size_t i = 0; i < tools.size(); i++)
        if (std::find(allowed.begin(), allowed.end(), names[i]) != allowed.end())
            kept.push_back(std::move(tools[i]));
    tools = std::move(kept);
    return true;
}

bool settle_min_tokens(RequestReader& r, std::string_view length_field) {
    const std::optional<int>& most = r.generation.max_tokens;
    if (!most || r.generation.sampling.min_tokens <= *most) return true;
    return r.read.fail("min_tokens",
                       fmt::format("min_tokens: more than {}, which is {}", length_field, *most));
}

}  // namespace qwend
