#include "daemon/api/openai/request_steps.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/api/openai/fields.h"
#include "daemon/api/unknown_fields.h"

namespace qwend {

bool read_field(RequestReader& r, const std::string& name, const JsonValue& value, unsigned scope) {
    if (const auto* field = find_field(request_fields(), name, scope))
        return value.is_null() || field->read(r, name, value);  // null is the same as absent
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
    r.form_layout.apply_to(r.generation.form);
    if (r.generation.chat_options.continue_final_message && r.asks_generation_prompt)
        return r.read.fail("continue_final_message",
                           "continue_final_message: not together with add_generation_prompt");
    return true;
}

bool settle_tools(RequestReader& r) {
    return settle_tool_choice(r.read, r.tool_choice, r.generation);
}

bool settle_min_tokens(RequestReader& r, std::string_view length_field) {
    const std::optional<int>& most = r.generation.max_tokens;
    if (!most || r.generation.sampling.min_tokens <= *most) return true;
    return r.read.fail("min_tokens",
                       fmt::format("min_tokens: more than {}, which is {}", length_field, *most));
}

}  // namespace qwend
