#pragma once

#include "gpu/sampling/row_sampler.cuh"
#include "model/sampling.h"

// The choice of a token: top-k, top-p and min-p as thresholds in the order of logits, found by
// radix select, and a draw by inverse transform over the kept tokens in the order of ids. Weights
// are summed in fixed point, so every order of additions gives the same sums, and the CPU's sampler
// the same token.

namespace qwend {

/// Gives every block the largest key of every warp; returns the largest of all.
__device__ inline uint32_t RowSampler::share_maxima() {
    const uint32_t mine = __reduce_max_sync(0xffffffffu, uint32_t(likeliest_ >> 32));
    const unsigned n_blocks = cluster_size(), lane = threadIdx.x % kWarp;
    const int at = int(cluster_.rank()) * kSampleWarps + int(threadIdx.x) / kWarp;
    if (lane < n_blocks) *dsmem_of(&s_.warp_maxima[at], lane) = mine;
    cluster_sync();
    uint32_t all = 0;
    for (unsigned i = lane; i < n_blocks * kSampleWarps; i += kWarp)
        all = max(all, s_.warp_maxima[i]);
    return __reduce_max_sync(0xffffffffu, all);
}

/// A key that at least k tokens reach, and not many more: the k-th largest of the warps' maxima,
/// rounded down to what 20 steps of bisection find. Comes after share_maxima().
__device__ inline uint32_t RowSampler::bound_of_top_k(int k) {
    const unsigned n_maxima = cluster_size() * kSampleWarps, lane = threadIdx.x % kWarp;
    constexpr int kEach = kMaxCluster * kSampleWarps / kWarp;
    uint32_t maxima[kEach];
#pragma unroll
    for (int i = 0; i < kEach; i++)
        maxima[i] = i * kWarp + lane < n_maxima ? s_.warp_maxima[i * kWarp + lane] : 0;
    uint32_t bound = 0;
    for (int bit = 31; bit >= 12; bit--) {
        const uint32_t higher = bound | 1u << bit;
        int n = 0;
#pragma unroll
        for (int i = 0; i < kEach; i++) n += maxima[i] >= higher;
        if (int(__reduce_add_sync(0xffffffffu, n)) >= k) bound = higher;
    }
    return bound;
}

/// Lists, in the first block and in no order, the tokens that a threshold keeps; returns how many
/// they are. What does not fit is counted and not listed.
__device__ inline int RowSampler::list_above(Threshold threshold) {
    uint64_t rank = 0;
    if (threshold.ties != ~uint64_t{0}) {
        uint64_t ties = 0;
        for (int i = begin_; i < end_; i++) ties += key_of(slice_[i]) == threshold.key;
        rank = cluster_.prefix(ties).before;
    }
    uint32_t* n_listed = dsmem_of(&s_.n_listed, 0);
    uint64_t* list = dsmem_of(s_.list, 0);
    uint64_t n = 0;
    for (int i = begin_; i < end_; i++) {
        const uint32_t key = key_of(slice_[i]);
        if (key < threshold.key || (key == threshold.key && rank++ >= threshold.ties)) continue;
        const uint32_t at = atomicAdd(n_listed, 1);
        if (at < kTopKCapacity) list[at] = entry_of(slice_[i], first_id_ + i);
        n++;
    }
    n = cluster_.sum(n);
    if (threadIdx.x == 0) s_.n_listed = 0;  // the next list comes after a barrier of the cluster
    return int(n);
}

/// Puts the k likeliest of those with at least `least_key` into `sorted` of the first block,
/// likeliest first; k <= kTopKCapacity. Returns how many there are. Comes after share_maxima().
__device__ inline int RowSampler::list_top_k(int k, uint32_t least_key) {
    const int n_warps = int(cluster_size()) * kSampleWarps;
    const uint32_t bound = k <= n_warps ? bound_of_top_k(k) : 0;
    int n = list_above({max(bound, least_key), ~uint64_t{0}});
    if (n > kTopKCapacity)
        n = list_above(find_threshold(uint64_t(k), [](float) { return uint64_t{1}; }));
    if (is_first_block()) {
        for (int at = threadIdx.x; at < n; at += kSampleThreads) {
            const uint64_t entry = s_.list[at];
            int rank = 0;
            for (int i = 0; i < n; i++) rank += s_.list[i] > entry;
            s_.sorted[rank] = entry;
        }
        __syncthreads();
    }
    return min(k, n);
}

/// The threshold that keeps the likeliest tokens until their measures add up to `limit` (> 0).
/// Radix select: four histograms of measures over eight bits of the key each, from the highest bits
/// down.
template <class Measure>
__device__ inline Threshold RowSampler::find_threshold(uint64_t limit, Measure measure) {
    uint32_t prefix = 0;
    uint64_t above = 0;  // measure of all keys above those that begin with `prefix`
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < kBins; i += kSampleThreads) s_.bins[i] = s_.all_bins[i] = 0;
        cluster_sync();
        int bin = 0;  // neighbours mostly fall into one bin: a run of them is added at once
        uint64_t sum = 0;
        auto flush = [&] {
            if (sum) atomicAdd(reinterpret_cast<unsigned long long*>(&s_.bins[bin]), sum);
            sum = 0;
        };
        for (int i = begin_; i < end_; i++) {
            const uint32_t key = key_of(slice_[i]);
            if (shift < 24 && key >> (shift + 8) != prefix >> (shift + 8)) continue;
            const int now = key >> shift & (kBins - 1);
            if (now != bin) flush(), bin = now;
            sum += measure(slice_[i]);
        }
        flush();
        __syncthreads();
        for (int i = threadIdx.x; i < kBins; i += kSampleThreads)
            if (s_.bins[i])
                atomicAdd(reinterpret_cast<unsigned long long*>(dsmem_of(&s_.all_bins[i], 0)),
                          s_.bins[i]);
        cluster_sync();
        if (threadIdx.x == 0) {
            const uint64_t* bins = dsmem_of(s_.all_bins, 0);
            int at = kBins - 1;
            while (at > 0 && above + bins[at] < limit) above += bins[at--];
            s_.threshold.key = prefix | uint32_t(at) << shift, s_.above = above;
        }
        __syncthreads();
        prefix = s_.threshold.key, above = s_.above;
        cluster_sync();  // all have read the first block's bins
    }
    const uint64_t each = measure(logit_of(prefix));
    const uint64_t ties = each ? (limit - above + each - 1) / each : ~uint64_t{0} - 1;
    return {prefix, ties};
}

/// Writes the likeliest tokens' log-probabilities, of the raw logits, and keeps the logarithm of
/// their sum for the sampled token.
__device__ inline void RowSampler::write_logprobs(int result_row) {
    const float max_logit = logit_of(share_maxima());
    finite_ = isfinite(max_logit);
    uint64_t sum = 0;
    for (int i = begin_; i < end_; i++) sum += __float2ull_rn(expf(slice_[i] - max_logit) * kOne);
    const double total = double(cluster_.sum(sum)) / double(kOne);
    const float log_sum = float(double(max_logit) + log(total));
    if (params_.n_logprobs > 0) {
        const int k = list_top_k(params_.n_logprobs, 0);
        for (int i = threadIdx.x; is_first_block() && i < k; i += kSampleThreads) {
            const uint64_t entry = s_.sorted[i];
            const size_t at = size_t(result_row) * a_.results.max_logprobs + i;
            a_.results.top_tokens[at] = id_of(entry);
            a_.results.top_logprobs[at] = logit_of(uint32_t(entry >> 32)) - log_sum;
        }
    }
    log_sum_ = log_sum;
    cluster_sync();  // the list may be overwritten from here on
}

/// Draws from the sorted list of the top k, after min-p and top-p. The first block does it alone;
/// what the others return does not matter. What is masked weighs nothing and is not listed: a mask
/// may leave fewer tokens than k, and then all the others would be.
__device__ inline int RowSampler::draw_from_top_k(float max_logit) {
    const int k = list_top_k(params_.top_k, key_of(-INFINITY) + 1);
    if (!is_first_block()) return -1;
    if (k <= kWarp) {
        if (threadIdx.x < kWarp) s_.token = draw_in_warp(k, max_logit);
    } else {
        draw_in_block(k, max_logit);
    }
    __syncthreads();
    return s_.token;
}

/// Where in the sum of kept weights the random number falls.
__device__ inline uint64_t RowSampler::target(uint64_t total) const {
    return uint64_t(double(philox_uniform(params_.seed, n_output_)) * double(total));
}

/// For up to 32 candidates, one a lane.
__device__ inline int RowSampler::draw_in_warp(int k, float max_logit) {
    const int lane = threadIdx.x;
    const uint64_t entry = lane < k ? s_.sorted[lane] : 0;
    const float logit = logit_of(uint32_t(entry >> 32));
    const bool above_floor = lane < k && logit >= floor_of(max_logit);
    uint64_t mine = above_floor ? weight(logit, max_logit) : 0, sum = mine;
#pragma unroll
    for (int offset = 1; offset < kWarp; offset *= 2) {
        const uint64_t other = __shfl_up_sync(0xffffffffu, sum, offset);
        if (lane >= offset) sum += other;
    }
    if (params_.top_p < 1) {
        const uint64_t total = __shfl_sync(0xffffffffu, sum, kWarp - 1);
        const uint64_t limit = uint64_t(double(total) * params_.top_p);
        if (lane > 0 && sum - mine >= limit) mine = 0;  // top-p was reached before it
    }
    const int id = id_of(entry);
    uint64_t before = 0, total = 0;
    for (int i = 0; i < k; i++) {
        const uint64_t other = __shfl_sync(0xffffffffu, mine, i);
        total += other;
        if (__shfl_sync(0xffffffffu, id, i) < id) before += other;
    }
    const uint64_t at = target(total);
    const unsigned drawn = __ballot_sync(0xffffffffu, before <= at && at < before + mine);
    return __shfl_sync(0xffffffffu, id, drawn ? __ffs(int(drawn)) - 1 : 0);
}

/// For any number of candidates; leaves the token in s_.token.
__device__ inline void RowSampler::draw_in_block(int k, float max_logit) {
    for (int i = threadIdx.x; i < k; i += kSampleThreads)
        s_.weights[i] = weight(logit_of(uint32_t(s_.sorted[i] >> 32)), max_logit);
    __syncthreads();
    if (threadIdx.x == 0) {
        const float floor = floor_of(max_logit);
        int n = 0;
        uint64_t total = 0;
        while (n < k && logit_of(uint32_t(s_.sorted[n] >> 32)) >= floor) total += s_.weights[n++];
        if (params_.top_p < 1) {
            const uint64_t limit = uint64_t(double(total) * params_.top_p);
            total = 0, n = 0;
            do total += s_.weights[n++];
            while (total < limit);
        }
        s_.n_kept = n, s_.kept_weight = total, s_.token = id_of(s_.sorted[0]);
    }
    __syncthreads();
    const int n = s_.n_kept;
    const uint64_t at = target(s_.kept_weight);
    for (int mine = threadIdx.x; mine < n; mine += kSampleThreads) {
        const int id = id_of(s_.sorted[mine]);
        uint64_t before = 0;
        for (int i = 0; i < n; i++)
            if (id_of(s_.sorted[i]) < id) before += s_.weights[i];
        if (before <= at && at < before + s_.weights[mine]) s_.token = id;
    }
}

/// Draws without a list, where top-k is off or large: thresholds over the whole vocabulary.
__device__ inline int RowSampler::draw_from_all(float max_logit) {
    const uint32_t floor = key_of(floor_of(max_logit));
    Threshold threshold{floor, ~uint64_t{0}};
    auto kept = [&](float logit, Threshold c) {
        return key_of(logit) >= c.key ? weight(logit, max_logit) : 0;
    };
    if (params_.top_k > 0 && params_.top_k < a_.n_valid) {
        const Threshold top =
            find_threshold(uint64_t(params_.top_k), [](float) { return uint64_t{1}; });
        if (top.key >= threshold.key) threshold = top;
    }
    auto sum_of = [&](Threshold c) {
        uint64_t ties = 0, above = 0;
        for (int i = begin_; i < end_; i++) {
            const uint32_t key = key_of(slice_[i]);
            ties += key == c.key;
            if (key > c.key) above += weight(slice_[i], max_logit);
        }
        const uint64_t rank = cluster_.prefix(ties).before;
        const uint64_t taken = rank >= c.ties ? 0 : min(ties, c.ties - rank);
        return above + taken * weight(logit_of(c.key), max_logit);
    };
    if (params_.top_p < 1) {
        const uint64_t total = cluster_.sum(sum_of(threshold));
        const uint64_t limit = max(uint64_t(double(total) * params_.top_p), uint64_t{1});
        Threshold top = find_threshold(limit, [&](float x) { return kept(x, threshold); });
        if (top.key == threshold.key) top.ties = min(top.ties, threshold.ties);
        if (top.key >= threshold.key) threshold = top;
    }
    const uint64_t mine = sum_of(threshold);
    const auto [before, total] = cluster_.prefix(mine);
    const uint64_t at = target(total);
    uint64_t ties = 0;
    for (int i = begin_; i < end_; i++) ties += key_of(slice_[i]) == threshold.key;
    uint64_t rank = cluster_.prefix(ties).before;
    if (threadIdx.x == 0) s_.token = -1;
    cluster_sync();
    if (before <= at && at < before + mine) {
        uint64_t sum = before;
        for (int i = begin_; i < end_; i++) {
            const uint32_t key = key_of(slice_[i]);
            if (key < threshold.key || (key == threshold.key && rank++ >= threshold.ties)) continue;
            sum += weight(slice_[i], max_logit);
            if (at < sum) {
                *dsmem_of(&s_.token, 0) = first_id_ + i;
                break;
            }
        }
    }
    cluster_sync();
    return s_.token;
}

/// Chooses the token, or returns one of the codes of model/sampling.h in its place. Only what the
/// first thread of the first block returns matters.
__device__ inline int RowSampler::choose() {
    const bool greedy = params_.temperature <= 0;
    const float max_logit = greedy ? INFINITY : logit_of(share_maxima());
    if (greedy || !isfinite(max_logit)) {
        const uint64_t likeliest = cluster_.max(likeliest_);
        const float logit = logit_of(uint32_t(likeliest >> 32));
        if (!isfinite(logit)) return finite_ && logit < 0 ? kNoToken : kNotANumber;
        return finite_ ? id_of(likeliest) : kNotANumber;
    }
    const bool listed = params_.top_k > 0 && params_.top_k <= kTopKCapacity;
    const int token = listed ? draw_from_top_k(max_logit) : draw_from_all(max_logit);
    return finite_ ? token : kNotANumber;
}

__device__ inline void RowSampler::run(const float* logits, int result_row) {
    const SampleResults& out = a_.results;
    load(logits);
    if (params_.n_logprobs >= 0) write_logprobs(result_row);
    if (has_lists()) apply_lists();
    if (params_.has_penalties == 1) apply_penalties();
    if (mask_) apply_mask();
    if (mask_ || has_lists() || params_.has_penalties == 1) find_likeliest();
    const int token = choose();
    if (is_first_block() && threadIdx.x == 0) {
        out.tokens[result_row] = token;
        if (token >= 0 && params_.n_logprobs >= 0)
            out.logprobs[result_row] = logits[token] - log_sum_;
        if (!is_alone_) return;
        // Where none is, the sequence ends. A step that is launched already needs one in bounds.
        a_.last_tokens[lane_] = max(token, 0);
        if (token >= 0 && params_.has_penalties) count(counts_of_lane(), a_.n_valid, token);
    }
}

__device__ inline void RowSampler::score(const float* logits, int target, int32_t* ranks,
                                         int result_row) {
    load(logits);
    write_logprobs(result_row);
    const float logit = target < a_.n_valid ? logits[target] : -INFINITY;
    const uint64_t given = entry_of(logit + 0.0f, target);  // no -0, as load() has none
    uint64_t n_likelier = 0;
    for (int i = begin_; i < end_; i++) n_likelier += entry_of(slice_[i], first_id_ + i) > given;
    n_likelier = cluster_.sum(n_likelier);
    if (is_first_block() && threadIdx.x == 0) {
        a_.results.tokens[result_row] = finite_ ? target : kNotANumber;
        a_.results.logprobs[result_row] = logit - log_sum_;
        ranks[result_row] = int32_t(n_likelier) + 1;
    }
}

}  // namespace qwend
