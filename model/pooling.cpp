#include "model/pooling.h"

#include <cmath>

namespace qwend {

double pooling_divisor(Pooling pooling, int64_t begin, int64_t n) {
    switch (pooling) {
        case Pooling::mean:
            return double(n);
        case Pooling::mean_sqrt_len:
            return std::sqrt(double(n));
        case Pooling::weighted_mean:
            return double(n) * double(2 * begin + n + 1) / 2;
        case Pooling::last:
        case Pooling::first:
        case Pooling::max:
        case Pooling::each:
            break;
    }
    return 1;
}

}  // namespace qwend
