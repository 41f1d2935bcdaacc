#pragma once

#include <functional>
#include <span>
#include <vector>

#include "daemon/engine/scheduler.h"

namespace qwend {

/// What vectors go through once they are pooled, on the worker: (n, in) → (n, out) f32. Empty: they
/// stay what they are.
using VectorHead = std::function<std::vector<float>(std::span<const float>)>;

/// The dimensions of what comes out of the head where `n_in` go in.
int head_size(const VectorHead& head, int n_in);

/// Puts the vectors of a step, of `n_in` dimensions, through the head, all together: it reads its
/// weights once then.
void apply_head(const VectorHead& head, int n_in, std::vector<StepOutput>& outputs);

}  // namespace qwend
