#pragma once

#include <optional>

#include "daemon/api/api_error.h"
#include "daemon/api/model_registry.h"

namespace qwend {

/// Whether something can be generated now: what the engines say, and whether the process is about
/// to end. Loop thread.
class Availability {
  public:
    explicit Availability(const ModelRegistry& models) : models_(models) {}

    void start_draining() { draining_ = true; }

    /// Why the model generates nothing; nothing if it can.
    std::optional<ApiError> why_not(const Model& model) const;
    /// The same, of the first model, where none can.
    std::optional<ApiError> why_not() const;

  private:
    const ModelRegistry& models_;
    bool draining_ = false;
};

}  // namespace qwend
