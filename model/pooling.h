#pragma once

#include <cstdint>

namespace qwend {

/// How the final hidden states of a text's tokens become one vector; sentence-transformers' modes.
enum class Pooling {
    last,           // that of the last token
    first,          // that of the first ("cls")
    mean,           // the sum divided by their number
    mean_sqrt_len,  // by its root
    weighted_mean,  // the sum of each times its place, from 1 on, divided by the sum of the places
    max,            // the largest of each dimension
    each,           // they do not: every token keeps its own
};

/// What of that is done where the hidden states are.
enum class Reduction { each, sum, weighted_sum, max };

/// Those of a text that come in several steps are reduced with one another as well.
constexpr Reduction reduction_of(Pooling pooling) {
    switch (pooling) {
        case Pooling::mean:
        case Pooling::mean_sqrt_len:
            return Reduction::sum;
        case Pooling::weighted_mean:
            return Reduction::weighted_sum;
        case Pooling::max:
            return Reduction::max;
        case Pooling::last:
        case Pooling::first:
        case Pooling::each:
            break;
    }
    return Reduction::each;
}

/// What the reduced sum of `n` tokens, the first of them at place `begin` of the text from 0 on, is
/// divided by.
double pooling_divisor(Pooling pooling, int64_t begin, int64_t n);

}  // namespace qwend
