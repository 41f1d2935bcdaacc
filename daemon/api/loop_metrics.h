#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "daemon/engine/metric_values.h"

namespace qwend {

/// What the loop counts, whichever model is asked. Loop thread only.
struct LoopMetrics {
    Counter unknown_fields;  // request fields accepted and ignored
    ThreadClock loop_cpu;    // its share of a core is the rate of this
    std::map<std::array<std::string, 3>, uint64_t> http_requests;  // by route, method, status

    // Where there are batches: requests of theirs by outcome, and they themselves by status.
    std::map<std::string, uint64_t> batch_requests, batches;

    void count_http(std::string_view route, std::string_view method, int status) {
        http_requests[{std::string(route), std::string(method), std::to_string(status)}]++;
    }
};

}  // namespace qwend
