#include "tests/bench/load/schedule.h"

#include <cmath>
#include <random>

namespace qwend::load {

std::vector<double> arrival_times(int n, double rate, double burstiness, uint64_t seed) {
    std::vector<double> times(size_t(n), 0.0);
    if (n == 0 || std::isinf(rate)) return times;
    std::mt19937_64 random(seed);
    const bool is_even = std::isinf(burstiness);
    std::gamma_distribution<double> gap(is_even ? 1 : burstiness, 1);
    double sum = 0;
    for (double& time : times) time = sum += is_even ? 1 : gap(random);
    if (!(sum > 0)) return std::vector<double>(size_t(n), n / rate);  // every gap is too small
    for (double& time : times) time *= n / rate / sum;
    return times;
}

}  // namespace qwend::load
