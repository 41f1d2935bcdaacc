#pragma once

#include <cstdint>
#include <vector>

namespace qwend::load {

/// When `n` requests start, in seconds after the first moment, ascending; known before anything is
/// sent, so that no answer can shift one. The gaps are drawn as vLLM draws them: of a gamma
/// distribution of shape `burstiness` (1: a Poisson process; more: more even; infinite: all the
/// same), then scaled so that the last request starts at n / rate, which keeps the offered load
/// from changing with the seed. `rate` is in requests a second; infinite: all start at once.
std::vector<double> arrival_times(int n, double rate, double burstiness, uint64_t seed);

}  // namespace qwend::load
