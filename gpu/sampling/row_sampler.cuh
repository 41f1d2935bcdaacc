#pragma once

#include <cmath>

#include "gpu/sampling/cluster_reduce.cuh"
#include "gpu/sampling/sample.h"

// Sampling of one row by a cluster of blocks: its state, and what is done to the logits before a
// token is chosen (penalties, bias, allowed and stop ids). The choice is in row_draw.cuh.

namespace qwend {

inline constexpr int kTopKCapacity = 1024;  // up to this top-k the candidates are listed and sorted
inline constexpr int kBins = 256;           // of a histogram over eight bits of a key
inline constexpr float kOne = 0x1p40f;  // a weight of 1 in fixed point; 2^18 of them fit 64 bits

/// A key that orders as its float does; logit_of() undoes it.
__device__ inline uint32_t key_of(float x) {
    const uint32_t bits = __float_as_uint(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ inline float logit_of(uint32_t key) {
    return __uint_as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}
/// A logit and its id as one number: likelier is larger, and of equals the lower id.
__device__ inline uint64_t entry_of(float logit, int id) {
    return uint64_t(key_of(logit)) << 32 | uint32_t(~id);
}
__device__ inline int id_of(uint64_t entry) {
    return int(~uint32_t(entry));
}

/// Which tokens are kept: those with a larger key, and of those with this key the first `ties` by
/// id.
struct Threshold {
    uint32_t key = 0;
    uint64_t ties = ~uint64_t{0};
};

struct SamplerShared {
    ReduceScratch scratch;
    uint64_t bins[kBins];      // of this block
    uint64_t all_bins[kBins];  // of the cluster, in the first block
    uint32_t warp_maxima[kMaxCluster * kSampleWarps];
    uint32_t n_listed;  // in the first block, as the list
    uint64_t list[kTopKCapacity];
    uint64_t sorted[kTopKCapacity];
    uint64_t weights[kTopKCapacity];
    Threshold threshold;
    uint64_t above;
    int32_t token;
    int32_t n_kept;
    uint64_t kept_weight;
};

/// Source: Salmon et al. 2011 (Philox4x32-10); model/sampler.cpp has the same.
__device__ inline float philox_uniform(uint64_t seed, uint64_t index) {
    uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32), c2 = 0, c3 = 0;
    uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
    for (int round = 0; round < 10; round++) {
        const uint32_t a_high = __umulhi(0xD2511F53u, c0), a_low = 0xD2511F53u * c0;
        const uint32_t b_high = __umulhi(0xCD9E8D57u, c2), b_low = 0xCD9E8D57u * c2;
        c0 = b_high ^ c1 ^ k0, c1 = b_low, c2 = a_high ^ c3 ^ k1, c3 = a_low;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return float(c0 >> 8) * 0x1p-24f;
}

/// One more of a token in the output.
__device__ inline void count(uint16_t* counts, int n_valid, int token) {
    if (token < n_valid && (counts[token] & ~kInPrompt) < kInPrompt - 1) counts[token]++;
}

/// Sampling of one row, by all threads of a cluster. A thread owns consecutive ids of its block's
/// slice. After an access to another block's shared memory comes a barrier of the cluster, so that
/// a block which has nothing left to do may exit.
class RowSampler {
  public:
    __device__ RowSampler(const SampleArgs& args, int row, float* slice, int slice_size,
                          SamplerShared& shared)
        : RowSampler(args, args.sampling[args.of.lanes[row]], args.of.lanes[row], slice, slice_size,
                     shared) {
        n_output_ = args.of.n_outputs[row], n_guesses_ = args.of.n_guesses[row];
        last_guess_ = args.of.inputs + args.of.rows[row];
        is_alone_ = n_guesses_ == 0 && (row + 1 == args.n || args.of.lanes[row + 1] != lane_);
        if (args.masks && args.mask_rows[row] >= 0)
            mask_ = args.masks + size_t(args.mask_rows[row]) * size_t(args.mask_width);
    }
    /// With parameters of its own. Of the lane nothing is looked at that they do not ask for.
    __device__ RowSampler(const SampleArgs& args, const LaneSampling& params, int lane,
                          float* slice, int slice_size, SamplerShared& shared)
        : a_(args),
          params_(params),
          lane_(lane),
          slice_(slice),
          first_id_(int(cluster_rank()) * slice_size),
          n_(max(0, min(slice_size, args.n_valid - first_id_))),
          cluster_(shared.scratch),
          s_(shared) {
        const int run = ((slice_size + kSampleThreads - 1) / kSampleThreads) |
                        1;  // odd: threads meet different banks
        begin_ = min(n_, int(threadIdx.x) * run), end_ = min(n_, begin_ + run);
        if (threadIdx.x == 0) s_.n_listed = 0;
    }

    __device__ void run(const float* logits, int result_row);
    /// Writes what the logits say of `target`, and samples nothing; the parameters ask for no more
    /// than log-probabilities.
    __device__ void score(const float* logits, int target, int32_t* ranks, int result_row);

  private:
    __device__ void load(const float* logits);
    __device__ void apply_lists();
    __device__ void apply_penalties();
    __device__ void apply_mask();
    /// From the bit of an id of the slice on, those that are in its word.
    __device__ uint32_t mask_bits(int i) const {
        const int id = first_id_ + i;
        return mask_[id / 32] >> id % 32;
    }
    __device__ float penalised(float x, uint16_t count) const;
    /// How often an id of the slice occurred, if the lane counted `count` of it.
    __device__ uint16_t with_guesses(uint16_t count, int i) const {
        for (int k = 0; k < n_guesses_; k++)
            if (last_guess_[-k] == first_id_ + i && (count & ~kInPrompt) < kInPrompt - 1) count++;
        return count;
    }
    __device__ bool has_lists() const {
        return params_.n_bias + params_.n_allowed + params_.n_stop > 0;
    }
    __device__ void find_likeliest();
    __device__ uint32_t share_maxima();
    __device__ uint32_t bound_of_top_k(int k);
    __device__ int list_above(Threshold threshold);
    __device__ int list_top_k(int k, uint32_t least_key);
    template <class Measure>
    __device__ Threshold find_threshold(uint64_t limit, Measure measure);
    __device__ void write_logprobs(int result_row);
    __device__ int draw_from_top_k(float max_logit);
    __device__ int draw_in_warp(int k, float max_logit);
    __device__ void draw_in_block(int k, float max_logit);
    __device__ uint64_t target(uint64_t total) const;
    __device__ int draw_from_all(float max_logit);
    __device__ int choose();
    __device__ uint16_t* counts_of_lane() const {
        return a_.counts + size_t(lane_) * size_t(count_stride(a_.n_valid));
    }
    __device__ bool is_first_block() const { return cluster_.rank() == 0; }

    __device__ uint64_t weight(float logit, float max_logit) const {
        return __float2ull_rn(expf((logit - max_logit) / params_.temperature) * kOne);
    }
    /// The lowest logit that min-p keeps.
    __device__ float floor_of(float max_logit) const {
        return params_.min_p > 0 ? max_logit + params_.temperature * logf(params_.min_p)
                                 : -INFINITY;
    }

    const SampleArgs& a_;
    LaneSampling params_;
    int lane_;
    int n_output_ = 0, n_guesses_ = 0;     // that this sample sees
    const int32_t* last_guess_ = nullptr;  // the others lie before it
    bool is_alone_ = false;                // the only sample of its lane
    float* slice_;
    int first_id_, n_, begin_, end_;
    uint64_t likeliest_ = 0;          // entry, of the thread's ids
    float log_sum_ = 0;               // of the raw logits, if logprobs are wanted
    bool finite_ = true;              // whether the largest raw logit is, if logprobs are wanted
    const uint32_t* mask_ = nullptr;  // of ids; null: none, or applied already
    ClusterReducer cluster_;
    SamplerShared& s_;
};

/// Reads the slice to shared memory, and finds the thread's likeliest token on the way. Penalties
/// and a mask are applied on the way too, unless something comes before, lists or
/// log-probabilities, or there are guesses to be counted.
__device__ inline void RowSampler::load(const float* logits) {
    const float* from = logits + first_id_;
    const bool plain =
        !has_lists() && params_.n_logprobs < 0 && !(params_.has_penalties && n_guesses_ > 0);
    const bool penalise = params_.has_penalties && plain;
    const bool mask = mask_ && plain;
    const bool keep = params_.temperature > 0 || !plain;
    const uint16_t* counts = counts_of_lane() + first_id_;
    float best = -INFINITY;
    int best_at = -1;
    auto take = [&](int i, float x, uint16_t count, uint32_t allowed) {
        if (!(allowed & 1)) x = -INFINITY;
        if (isnan(x)) x = INFINITY;      // makes it the likeliest, where choose() finds it
        x = penalised(x, count) + 0.0f;  // -0 and 0 are one number, but their bits would differ
        if (x > best || best_at < 0) best = x, best_at = i;
        return x;
    };
    // Four neighbours at a time; slices begin at multiples of four.
#pragma unroll 5
    for (int i = 4 * int(threadIdx.x); i + 3 < n_; i += 4 * kSampleThreads) {
        float4 x = __ldcs(reinterpret_cast<const float4*>(from + i));
        const ushort4 count = penalise ? *reinterpret_cast<const ushort4*>(counts + i) : ushort4{};
        const uint32_t bits = mask ? mask_bits(i) : ~0u;  // four neighbours are in one word
        x = {take(i, x.x, count.x, bits), take(i + 1, x.y, count.y, bits >> 1),
             take(i + 2, x.z, count.z, bits >> 2), take(i + 3, x.w, count.w, bits >> 3)};
        if (keep) *reinterpret_cast<float4*>(slice_ + i) = x;
    }
    const int tail = n_ / 4 * 4 + int(threadIdx.x);
    if (tail < n_)
        slice_[tail] =
            take(tail, from[tail], penalise ? counts[tail] : 0, mask ? mask_bits(tail) : ~0u);
    likeliest_ = best_at < 0 ? 0 : entry_of(best, first_id_ + best_at);
    cluster_sync();                           // all blocks of the cluster run from here on
    if (penalise) params_.has_penalties = 2;  // applied; the token will still be counted
    if (mask) mask_ = nullptr;                // applied
}

/// Finds likeliest_ again, after something changed the slice.
__device__ inline void RowSampler::find_likeliest() {
    likeliest_ = 0;
    for (int i = begin_; i < end_; i++) {
        const uint64_t entry = entry_of(slice_[i], first_id_ + i);
        likeliest_ = likeliest_ > entry ? likeliest_ : entry;
    }
}

/// Applies the bias, masks ids that are not allowed, and stop ids before min_tokens.
__device__ inline void RowSampler::apply_lists() {
    const int32_t* bias_ids = params_.lists;
    const auto* bias_values = reinterpret_cast<const float*>(bias_ids + params_.n_bias);
    const int32_t* allowed = bias_ids + 2 * params_.n_bias;
    const int32_t* stop = allowed + params_.n_allowed;
    for (int i = threadIdx.x; i < params_.n_bias; i += kSampleThreads) {  // ids are distinct
        const int at = bias_ids[i] - first_id_;
        if (unsigned(at) < unsigned(n_))  // what is no number is masked too
            slice_[at] = bias_values[i] == -INFINITY ? -INFINITY : slice_[at] + bias_values[i];
    }
    __syncthreads();
    if (params_.n_allowed > 0) {
        // A bitmap of the allowed ids, in the memory of the lists below; what has no bit is masked.
        auto* bits = reinterpret_cast<uint32_t*>(slice_);
        auto* marks = reinterpret_cast<uint32_t*>(s_.list);
        constexpr int kMarkBits = int(sizeof s_.list + sizeof s_.sorted + sizeof s_.weights) * 8;
        for (int base = 0; base < n_; base += kMarkBits) {
            for (int i = threadIdx.x; i < kMarkBits / 32; i += kSampleThreads) marks[i] = 0;
            __syncthreads();
            for (int i = threadIdx.x; i < params_.n_allowed; i += kSampleThreads) {
                const int at = allowed[i] - first_id_ - base;
                if (unsigned(at) < unsigned(kMarkBits)) atomicOr(&marks[at / 32], 1u << at % 32);
            }
            __syncthreads();
            for (int i = threadIdx.x; i < min(kMarkBits, n_ - base); i += kSampleThreads)
                if (!(marks[i / 32] >> i % 32 & 1)) bits[base + i] = __float_as_uint(-INFINITY);
            __syncthreads();
        }
    }
    if (n_output_ < params_.min_tokens)
        for (int i = threadIdx.x; i < params_.n_stop; i += kSampleThreads)
            if (unsigned(stop[i] - first_id_) < unsigned(n_))
                slice_[stop[i] - first_id_] = -INFINITY;
    __syncthreads();
}

/// The logit after repetition, frequency and presence penalties, for a token that occurred `count`
/// times.
__device__ inline float RowSampler::penalised(float x, uint16_t count) const {
    if (count == 0) return x;
    x = x > 0 ? x / params_.repetition_penalty : x * params_.repetition_penalty;
    const int n = count & ~kInPrompt;
    return n > 0 ? x - (params_.frequency_penalty * float(n) + params_.presence_penalty) : x;
}

__device__ inline void RowSampler::apply_mask() {
    for (int i = threadIdx.x; i < n_; i += kSampleThreads)
        if (!(mask_bits(i) & 1)) slice_[i] = -INFINITY;
    __syncthreads();
}

__device__ inline void RowSampler::apply_penalties() {
    const uint16_t* counts = counts_of_lane() + first_id_;
    for (int i = threadIdx.x; i < n_; i += kSampleThreads)
        slice_[i] = penalised(slice_[i], with_guesses(counts[i], i));
    __syncthreads();
}

}  // namespace qwend
