#pragma once

#include <cstddef>

#include "model/activation.h"
#include "model/bf16.h"

/// Slow twins of the kernels: plain loops in double over the very inputs the kernel gets, rounded
/// to bf16 as they are. Each gives a value and how far a correct kernel may be from it. Inputs are
/// random: partial sums are taken to stay below six times the root of their squares' sum.

namespace qwend {

struct Bounded {
    double value = 0;
    double bound = 0;  // of |kernel - value|
};

inline constexpr int kBf16Bits = 8, kFloatBits = 24;  // significant ones

/// Half the distance of neighbours at |x|: what rounding to nearest costs.
double half_ulp(double x, int bits);
/// The bound of a result that is off by `error` and then rounded.
Bounded rounded(Bounded x, int bits);

/// a · b, and its error in f32 in any order.
Bounded dot(const bf16_t* a, const bf16_t* b, int n);
/// The same of numbers that bf16 does not have: sums of quantised weights are scaled, too.
Bounded dot(const bf16_t* a, const float* b, int n);

/// 1 / sqrt(sum / n + eps) * x. 2^-19: a sum of up to 8192 squares in f32, by many threads, is off
/// by fewer than 50 roundings of 2^-24, of which the root halves the effect; rsqrtf adds 2 ulp.
Bounded divide_by_rms(Bounded x, double sum, int n, double eps);

/// silu(gate) * up. The slope of silu is below 1.1; __expf is off by 2 + 1.173 |gate| ulp, of
/// which 1 + exp feels exp's part; three more roundings; what is below 1e-36 may be flushed.
Bounded silu_times(Bounded gate, Bounded up);

/// activation(gate) * up. Slopes are at most 1.5 (hardswish at 3), but relu2's is 2 x. Functions of
/// f32 are off by a few ulp, and an argument in the tens was rounded before it became an exponent.
Bounded activation_times(Activation activation, Bounded gate, Bounded up);

/// A pair of a head turned by (cos, sin): three roundings of 2^-24 of either term.
struct BoundedPair {
    Bounded low, high;
};
BoundedPair rotate(Bounded low, Bounded high, double cos, double sin);

/// Attention of one query over n keys and values (n, head_dim); out: (head_dim), rounded to bf16.
/// The bound is explained with the code.
void attend(const bf16_t* query, const bf16_t* keys, const bf16_t* values, int n, int head_dim,
            Bounded* out);

/// The same of a query of zeros and values that are small integers: every weight is one, all sums
/// are exact, and only the division rounds. So it counts keys: one too many or too few shows in
/// any context.
void attend_evenly(const bf16_t* values, int n, int head_dim, Bounded* out);

}  // namespace qwend
