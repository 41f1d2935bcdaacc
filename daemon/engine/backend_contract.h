#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "daemon/engine/sequence.h"
#include "model/backend.h"

/// What the engine expects of a backend, and what it may ask of one.

namespace qwend {

/// Throws std::logic_error if the backend offers nothing to run a sequence in.
void check_info(const BackendInfo& info);

/// What a step has to give.
struct StepCounts {
    size_t n_samples = 0, n_scores = 0, n_vectors = 0;
};
StepCounts count_results(const Batch& batch);

/// A backend that does not answer what it was asked has failed, whatever it says: BackendFault.
void check_result(StepCounts expected, const BackendInfo& info, const StepResult& result);

/// Which capability the request needs and the backend lacks; empty if it has all. Static storage.
std::string_view missing_capability(const GenerationRequest& request, const BackendInfo& info);

/// Leaves a failed backend as it is. Its destructor would call a device whose context is poisoned,
/// where every call fails, or that hangs, where none returns. Something still points to it, so that
/// a leak checker finds the leaks that are none of ours.
void abandon(std::unique_ptr<Backend> backend);

}  // namespace qwend
