#pragma once

#include "daemon/api/api_context.h"
#include "daemon/api/openai/request.h"

namespace qwend {

/// What any request is held to, whichever model it names.
struct CommonLimits {
    int max_choices;
    bool allow_priority;
};
CommonLimits limits_of(const ApiContext& api);

/// The rules of the models that are served; these outlive it.
RulesOf rules_of(const ModelRegistry& models, CommonLimits limits);

}  // namespace qwend
