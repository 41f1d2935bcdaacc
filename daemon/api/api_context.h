#pragma once

#include "daemon/api/availability.h"
#include "daemon/api/body_queue.h"
#include "daemon/api/completions.h"
#include "daemon/api/loop_metrics.h"
#include "daemon/api/model_registry.h"
#include "daemon/api/vectors.h"
#include "daemon/options.h"

namespace qwend {

/// What routes work with; it outlives them.
struct ApiContext {
    const Options& options;
    const ModelRegistry& models;
    const Availability& availability;
    LoopMetrics& metrics;
    BodyQueue& bodies;
    Completions& completions;
    Vectors& vectors;
    double began;  // in steady_seconds()
};

/// Binds a route's function to what it works with.
inline auto bind_route(const ApiContext& api,
                       void (*handle)(const ApiContext&, const ExchangePtr&)) {
    return [&api, handle](const ExchangePtr& exchange) { handle(api, exchange); };
}

}  // namespace qwend
