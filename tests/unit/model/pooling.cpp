#include "model/pooling.h"

#include <doctest/doctest.h>

#include <initializer_list>

using namespace qwend;

TEST_CASE("pooling: what sums are divided by") {
    CHECK(pooling_divisor(Pooling::mean, 5, 4) == 4);
    CHECK(pooling_divisor(Pooling::mean_sqrt_len, 5, 4) == 2);
    CHECK(pooling_divisor(Pooling::weighted_mean, 0, 4) == 1 + 2 + 3 + 4);
    CHECK(pooling_divisor(Pooling::weighted_mean, 5, 4) == 6 + 7 + 8 + 9);
    CHECK(pooling_divisor(Pooling::weighted_mean, 0, 1 << 20) == double((1 << 20) + 1) * (1 << 19));
    for (const Pooling pooling : {Pooling::last, Pooling::first, Pooling::max, Pooling::each})
        CHECK(pooling_divisor(pooling, 5, 4) == 1);
}
