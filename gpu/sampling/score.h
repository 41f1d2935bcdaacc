#pragma once

#include "gpu/sampling/sample.h"

namespace qwend {

/// What the host reads of the scored rows of a step, beside what it reads of sampled ones.
struct ScoreResults {
    SampleResults given;  // its tokens are the targets, or kNotANumber
    int32_t* ranks;       // (slots, rows_per_slot)
};

struct ScoreArgs {
    const float* logits;  // (n, width) f32
    float* scratch;       // as SampleArgs'
    int width;
    int n_valid;                // ids at and above have no logit
    const int32_t* targets;     // (n) the tokens that follow; below 0: padding
    const int32_t* n_logprobs;  // (n) likeliest tokens to report beside each, <= max_logprobs
    ScoreResults results;
    int first_row;  // of the results
    int n;
};
/// Scores a given token for each row of logits, as model/sampler.h does. Nothing of any lane is
/// read or changed.
void score_rows(const ScoreArgs& args, const Stream& stream);

}  // namespace qwend
