#include "daemon/api/openai/rules.h"

namespace qwend {

CommonLimits limits_of(const ApiContext& api) {
    return {api.options.max_choices, api.options.allow_priority};
}

RulesOf rules_of(const ModelRegistry& models, CommonLimits limits) {
    return [&models, limits](std::string_view name) {
        const ModelPtr named = models.find(name);
        const ModelText& text = named ? *named->text : *models.first().text;
        return RequestRules{
            text.defaults,
            {limits.max_choices, text.tokenizer.size(), models.names(), limits.allow_priority}};
    };
}

}  // namespace qwend
