#pragma once

#include <string>
#include <string_view>

#include "daemon/api/model_text.h"
#include "daemon/engine/metrics.h"

namespace qwend {

/// The page for people at GET /: what runs here, how it is, and how to talk to it.
struct StatusPageFacts {
    const ModelText& model;
    const EngineMetrics& metrics;
    std::string_view state;   // ready, loading, …
    std::string_view device;  // empty while loading
    std::string_view host;    // as the browser called us
    double uptime = 0;        // s
};
std::string render_status_page(const StatusPageFacts& facts);

}  // namespace qwend
