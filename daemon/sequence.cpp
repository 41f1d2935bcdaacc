#include "daemon/sequence.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace qwend {

Sequence::Sequence(GenerationRequest&& request, uint64_t arrival, double now)
    : id(request.id),
      sampling(std::move(request.sampling)),
      n_prompt(static_cast<int>(request.prompt.size())),
      max_tokens(request.max_tokens),
      priority(request.priority),
      arrival(arrival),
      cache_salt(std::move(request.cache_salt)),
      tokens(std::move(request.prompt)) {
    times.submitted = now;
}

FinishReason Sequence::append(int32_t token) {
    tokens.push_back(token);
    const auto& stops = sampling.stop_token_ids;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) return FinishReason::stop;
    return n_output() >= max_tokens ? FinishReason::length : FinishReason::none;
}

bool precedes(const Sequence& a, const Sequence& b) {
    return std::tie(a.priority, a.arrival) < std::tie(b.priority, b.arrival);
}

}  // namespace qwend
