#pragma once

#include <cstdint>

#include "gpu/cuda.h"

namespace qwend {

/// Sampling on the device, held to model/sampler.h: the same operations in the same order. Weights
/// are summed in fixed point, where the order of additions does not matter.

/// What the device keeps of a lane's sampling parameters while a sequence occupies it; see
/// SamplingParams. Lists are what few requests have; they lie behind each other at `lists`.
struct LaneSampling {
    float temperature, top_p, min_p;
    float repetition_penalty, presence_penalty, frequency_penalty;
    int32_t top_k;
    int32_t n_logprobs;
    uint64_t seed;
    int32_t min_tokens;
    int32_t has_penalties;  // then the lane's counts are kept
    int32_t n_bias, n_allowed, n_stop;
    const int32_t* lists;  // (n_bias) ids, (n_bias) values as bits, (n_allowed) ids, (n_stop) ids
};

/// What the host reads of the rows of a step. In memory it can read; `rows_per_slot` rows for each
/// step that may be in flight, of which *slot says which is this one's.
struct SampleResults {
    int32_t* tokens;      // (slots, rows_per_slot)
    float* logprobs;      // the same; set for rows that asked for logprobs, as the next two
    int32_t* top_tokens;  // (slots, rows_per_slot, max_logprobs)
    float* top_logprobs;
    int rows_per_slot, max_logprobs;
    const int32_t* slot;
};

/// Lanes' counts begin at multiples of 16 bytes.
__host__ __device__ inline int count_stride(int n_valid) {
    return (n_valid + 7) / 8 * 8;
}

/// Whose samples they are, and what each sees. The guesses it sees, which a lane's counts do not
/// have, are the inputs of the rows of the matrices up to its own.
struct SampleRows {
    const int32_t* lanes;      // (n); below 0: padding
    const int32_t* n_outputs;  // (n) tokens of the output that it sees: its Philox counter
    const int32_t* n_guesses;  // (n) the last so many of them are guesses
    const int32_t* rows;       // (n) of the matrices
    const int32_t* inputs;     // (rows of the matrices) ids
};

/// A sample that is alone in its lane becomes the lane's last token and is counted. Others are not:
/// the host finds out how many of them are tokens of the sequence. Those of a lane are neighbours.
struct SampleArgs {
    const float* logits;  // (n, width) f32
    float* scratch;       // (n, width), for devices without clusters; else null
    int width;
    int n_valid;  // ids at and above are never sampled
    SampleRows of;
    const LaneSampling* sampling;  // (lanes)
    /// (lanes, count_stride) how often a token is in the output; kInPrompt if it is in the prompt.
    uint16_t* counts;
    int32_t* last_tokens;  // (lanes)
    SampleResults results;
    int n;
    /// (any, mask_width) vocabulary masks; null: there are none. mask_rows: (n) which one is whose,
    /// below 0: none; in memory that the device can read.
    const uint32_t* masks = nullptr;
    const int32_t* mask_rows = nullptr;
    int mask_width = 0;
};
void sample_rows(const SampleArgs& args, const Stream& stream);

inline constexpr uint16_t kInPrompt = 0x8000;

/// Starts a lane's counts (n_valid) over: `history` holds n_prompt tokens of the prompt, then the
/// output so far.
void reset_counts(uint16_t* counts, int n_valid, const int32_t* history, int n_prompt,
                  int n_history, const Stream& stream);
/// Counts `tokens` (n) of the output too.
void add_counts(uint16_t* counts, int n_valid, const int32_t* tokens, int n, const Stream& stream);

}  // namespace qwend
