#pragma once

#include <span>
#include <string>

#include "daemon/api/exposition.h"
#include "daemon/api/loop_metrics.h"

namespace qwend {

/// What /metrics says: every model's engine under vLLM's stems with the prefix "qwend:", what the
/// loop counts, and the process.
std::string render_metrics(const LoopMetrics& loop, std::span<const ModelMetrics> models);

}  // namespace qwend
