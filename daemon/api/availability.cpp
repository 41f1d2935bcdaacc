#include "daemon/api/availability.h"

#include <fmt/format.h>

#include <algorithm>

namespace qwend {

std::optional<ApiError> Availability::why_not(const Model& model) const {
    const EngineState state = model.engine.state();
    if (state == EngineState::ready && !draining_) return std::nullopt;
    const bool failed = state == EngineState::failed || state == EngineState::stalled;
    const std::string_view name = draining_ && !failed ? "draining" : engine_state_name(state);
    return ApiError{503, "unavailable_error", std::string(name), "",
                    fmt::format("the server is not ready: {}", name)};
}

std::optional<ApiError> Availability::why_not() const {
    const auto& models = models_.models();
    if (std::any_of(models.begin(), models.end(), [&](auto& model) { return !why_not(*model); }))
        return std::nullopt;
    return why_not(models_.first());
}

}  // namespace qwend
