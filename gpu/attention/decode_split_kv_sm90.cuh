#pragma once

#include "gpu/attention/decode_warp.cuh"
#include "gpu/sm90/cluster.cuh"
#include "gpu/sm90/cp_async.cuh"
#include "gpu/sm90/dsmem.cuh"

namespace qwend {

// What a cluster of blocks does in decode_attention_split_kv_sm90 and, for one model's shape, in
// decode_attention_o_proj_14x64_sm90.
//
// For few rows time is latency: weights that later kernels fetch keep the memory busy, and every
// load that depends on another costs microseconds. So the context of a row and KV head is spread
// over a cluster of eight blocks. Their 64 warps take a tile of 16 keys each in turn, with the next
// one on its way to shared memory (cp.async). A warp's first tile is fetched before the wait for
// the previous kernel, if it is of an earlier step; after the wait come the queries and new tiles.
//
// Then partial results are merged: by the warps of each block, a head a warp, and from there
// through DSMEM by one warp of the block that owns the head (block i of the cluster owns head i of
// the group). A context longer than kKvSplitTokens is cut into splits, which the clusters of
// gridDim.z take in turn; the last cluster that is done merges them (flash-decoding). All is merged
// in order, and how a context is cut depends on its length alone, so a row's bits do not depend on
// the others.

inline constexpr int kKvHeadBlocks = kMaxGroup;  // of a KV head: one for each head of the group
inline constexpr int kWarps = 8;                 // of a block
inline constexpr int kThreads = kWarps * kWarp;
inline constexpr int kRoundTiles = kKvHeadBlocks * kWarps;  // one for each warp of a KV head

/// A KV block of one KV head, as it lies in the cache.
template <int HEAD_DIM>
struct KvTile {
    bf16 keys[kBlockTokens * HEAD_DIM];
    bf16 values[HEAD_DIM * kBlockTokens];
    static constexpr int kElements = kBlockTokens * HEAD_DIM;
};

/// One head's partial result over some of its keys, in the registers of a warp: the maximum of the
/// scores, the sum of their exponentials, and the output before the division, in pairs of
/// dimensions.
template <int HEAD_DIM>
struct PartialHead {
    static constexpr int kPairs = HEAD_DIM / (2 * kWarp);  // of a thread
    float max = -INFINITY, sum = 0;
    float2 out[kPairs] = {};

    /// Where the thread's pair p is among all of them.
    __device__ static int pair(int p) { return int(threadIdx.x) % kWarp + p * kWarp; }

    /// Merges N partial results in order: {maxima(i), sums(i)}, and outs(i) with the pairs. All
    /// maxima are known before the first addition, which is faster than merge() one by one.
    template <int N, class Maxima, class Sums, class Outs>
    __device__ static PartialHead merged(Maxima maxima, Sums sums, Outs outs) {
        PartialHead all;
#pragma unroll
        for (int i = 0; i < N; i++) all.max = fmaxf(all.max, maxima(i));
        const float base = all.max == -INFINITY ? 0 : all.max;
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float factor = exp2_ftz(maxima(i) - base);
            all.sum += sums(i) * factor;
#pragma unroll
            for (int p = 0; p < kPairs; p++) {
                const float2 one = outs(i)[pair(p)];
                all.out[p].x += one.x * factor, all.out[p].y += one.y * factor;
            }
        }
        return all;
    }
    /// Merges `other`, whose keys come after those that are here.
    __device__ void merge(const PartialHead& other) {
        if (other.max == -INFINITY) return;
        const float new_max = fmaxf(max, other.max);
        const float keep = exp2_ftz(max - new_max), take = exp2_ftz(other.max - new_max);
        sum = sum * keep + other.sum * take;
#pragma unroll
        for (int p = 0; p < kPairs; p++) {
            out[p].x = out[p].x * keep + other.out[p].x * take;
            out[p].y = out[p].y * keep + other.out[p].y * take;
        }
        max = new_max;
    }
    /// Divides and stores the head's output (HEAD_DIM), when nothing is left to merge.
    __device__ void write(bf16* to) const {
#pragma unroll
        for (int p = 0; p < kPairs; p++)
            reinterpret_cast<uint32_t*>(to)[pair(p)] = pack_bf16(out[p].x / sum, out[p].y / sum);
    }
};

/// A head's partial result in memory: in shared memory that of a block, in global memory of a
/// split.
template <int HEAD_DIM>
struct StoredPartial {
    float2 max_sum;
    float2 out[HEAD_DIM / 2];
};

template <int HEAD_DIM>
struct SplitKvShared {
    KvTile<HEAD_DIM> tiles[kWarps];  // of a warp; its partial result takes the last one's place
    StoredPartial<HEAD_DIM> received[kKvHeadBlocks];  // of the block's own head, from each block
    Mbarrier barrier;                                 // counts their bytes
    static_assert(sizeof(WarpPartial<HEAD_DIM>) <= sizeof(KvTile<HEAD_DIM>));

    __device__ WarpPartial<HEAD_DIM>& result_of(int warp) {
        return *reinterpret_cast<WarpPartial<HEAD_DIM>*>(&tiles[warp]);
    }
};

/// How a row's context is cut into splits of a whole number of rounds, which are kRoundTiles tiles.
struct KvSplits {
    int n_context, n_tiles, tiles_per_split, n_splits;

    __device__ explicit KvSplits(int n_context)
        : n_context(n_context), n_tiles((n_context + kBlockTokens - 1) / kBlockTokens) {
        const int rounds = (n_tiles + kRoundTiles - 1) / kRoundTiles;
        tiles_per_split = max(kKvSplitTokens / kBlockTokens,
                              (rounds + kMaxKvSplits - 1) / kMaxKvSplits * kRoundTiles);
        n_splits = (n_tiles + tiles_per_split - 1) / tiles_per_split;
    }
    __device__ int begin(int split) const { return split * tiles_per_split; }
    __device__ int end(int split) const { return min(begin(split + 1), n_tiles); }
};

/// The tiles of one row and KV head that the calling warp takes: one of every kRoundTiles.
template <int HEAD_DIM>
class WarpKvTiles {
  public:
    /// `rank`: of the block among those of the KV head. `to`: where in shared memory a tile goes.
    __device__ WarpKvTiles(const DecodeAttentionArgs& a, const KvSplits& splits, int row,
                           int kv_head, int rank, KvTile<HEAD_DIM>& to)
        : a_(a),
          splits_(splits),
          table_(a.block_tables + size_t(a.lanes[row]) * a.table_width),
          kv_head_(kv_head),
          own_(int(threadIdx.x) / kWarp * kKvHeadBlocks + rank),
          to_(to) {}

    /// Starts the copy of the warp's first tile of a split; attend() copies the others. `only_old`:
    /// leaves out what the previous kernel may still be writing.
    __device__ void begin(int split, bool only_old) {
        next_ = splits_.begin(split) + own_, end_ = splits_.end(split);
        if (!only_old || is_old_tile(next_, splits_.n_context)) copy_next();
    }
    /// Starts the copy that begin() left out.
    __device__ void copy_new(int split) {
        if (next_ == splits_.begin(split) + own_) copy_next();
    }

    /// Attention over the warp's tiles of a split whose first copy was started.
    __device__ GroupOnlineSoftmax<HEAD_DIM> attend(const GroupQueries<HEAD_DIM>& queries, int split,
                                                   float scale) {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        GroupOnlineSoftmax<HEAD_DIM> running;
        for (int tile = splits_.begin(split) + own_; tile < end_; tile += kRoundTiles) {
            cp_async_wait_all();
            __syncwarp();  // for what the other threads copied
            KeyFragment<HEAD_DIM> keys;
            ValueFragment<HEAD_DIM> values;
            keys.load(to_.keys, g, t);
            values.load(to_.values, g, t);
            __syncwarp();  // all have read the tile
            copy_next();
            float scores[4];
            score_group<HEAD_DIM>(scores, queries, keys, tile * kBlockTokens, splits_.n_context,
                                  scale, g);
            running.add_tile(scores, values);
        }
        running.reduce_sum();
        return running;
    }

  private:
    __device__ void copy_next() {
        if (next_ >= end_) return;
        const size_t offset =
            (size_t(table_[next_]) * a_.shape.n_kv_heads + kv_head_) * KvTile<HEAD_DIM>::kElements;
        next_ += kRoundTiles;
        constexpr int kElementsOfCopy = kCpAsyncBytes / int(sizeof(bf16));
#pragma unroll
        for (int i = threadIdx.x % kWarp * kElementsOfCopy; i < KvTile<HEAD_DIM>::kElements;
             i += kWarp * kElementsOfCopy) {
            cp_async(to_.keys + i, a_.cache.keys + offset + i);
            cp_async(to_.values + i, a_.cache.values + offset + i);
        }
    }

    const DecodeAttentionArgs& a_;
    const KvSplits splits_;
    const int32_t* table_;
    int kv_head_, own_;
    KvTile<HEAD_DIM>& to_;
    int next_ = 0, end_ = 0;
};

/// Attention of one row and KV head by kKvHeadBlocks blocks of a cluster. blockIdx: (block, row,
/// first of the splits that the cluster takes: every gridDim.z-th).
template <int HEAD_DIM>
class SplitKvAttention {
  public:
    __device__ SplitKvAttention(const DecodeAttentionArgs& a, SplitKvShared<HEAD_DIM>& shared)
        : a_(a),
          shared_(shared),
          rank_(int(cluster_rank()) % kKvHeadBlocks),
          kv_head_(int(blockIdx.x) / kKvHeadBlocks),
          row_(int(blockIdx.y)),
          splits_(a.contexts[row_]),
          tiles_(a, splits_, row_, kv_head_, rank_, shared.tiles[warp_]) {}

    /// Starts what may come before the wait for the previous kernel: copies of older keys and
    /// values.
    __device__ void begin() { tiles_.begin(int(blockIdx.z), true); }

    /// After the wait, for a row that has a context. Calls take(partial, split) with the merged
    /// result of every split of the cluster, in the warp that owns the block's head.
    template <class Take>
    __device__ void run(float scale, Take take) {
        tiles_.copy_new(int(blockIdx.z));
        if (warp_ == 0) init_and_expect(shared_.barrier, sizeof shared_.received);
        const GroupQueries<HEAD_DIM> queries(
            a_.queries + (size_t(row_) * a_.shape.n_heads + kv_head_ * a_.shape.group()) * HEAD_DIM,
            a_.shape.group(), lane_ / 4, lane_ % 4);
        uint32_t use = 0;
        for (int split = blockIdx.z; split < splits_.n_splits; split += int(gridDim.z), use++) {
            if (use == 0)
                cluster_arrive_relaxed();
            else
                cluster_arrive();  // and what came for the split before was read
            const auto running = tiles_.attend(queries, split, scale);
            shared_.result_of(warp_).put(running, lane_ / 4, lane_ % 4);
            __syncthreads();
            const PartialHead<HEAD_DIM> partial = merge_warps();
            if (const int next_split = split + int(gridDim.z); next_split < splits_.n_splits) {
                __syncthreads();  // the warps' results were read
                tiles_.begin(next_split, false);
            }
            cluster_wait();
            push_partial(partial);
            if (has_head()) take(merge_blocks(use), split);
        }
    }

    __device__ int n_splits() const { return splits_.n_splits; }
    /// Whether the calling warp owns a head; whether its block does: a group may have fewer than
    /// eight.
    __device__ bool has_head() const { return warp_ == 0 && block_has_head(); }
    __device__ bool block_has_head() const { return rank_ < a_.shape.group(); }
    __device__ int head() const { return kv_head_ * a_.shape.group() + rank_; }

    /// Stores the result of a split in global memory, for merge_splits().
    __device__ void store(const PartialHead<HEAD_DIM>& head, int split) const {
        StoredPartial<HEAD_DIM>& to = stored_splits()[split];
        if (lane_ == 0) to.max_sum = {head.max, head.sum};
#pragma unroll
        for (int p = 0; p < head.kPairs; p++) to.out[head.pair(p)] = head.out[p];
    }
    /// Whether all other clusters of the row have stored their splits of the head. Leaves the
    /// counter at zero for the next launch.
    __device__ bool is_last() const {
        int32_t* arrivals =
            a_.arrivals + (size_t(row_) * a_.shape.n_kv_heads + kv_head_) * kMaxGroup + rank_;
        __threadfence();
        __syncwarp();
        int before = 0;
        if (lane_ == 0) before = atomicAdd(arrivals, 1);
        const int n_clusters = min(int(gridDim.z), splits_.n_splits);
        if (__shfl_sync(0xffffffffu, before, 0) != n_clusters - 1) return false;
        __threadfence();
        if (lane_ == 0) *arrivals = 0;
        return true;
    }
    __device__ PartialHead<HEAD_DIM> merge_splits() const {
        PartialHead<HEAD_DIM> head;
        for (int split = 0; split < splits_.n_splits; split++) {
            const StoredPartial<HEAD_DIM>& from = stored_splits()[split];
            const float2 max_sum = __ldcg(&from.max_sum);
            PartialHead<HEAD_DIM> one;
            one.max = max_sum.x, one.sum = max_sum.y;
#pragma unroll
            for (int p = 0; p < one.kPairs; p++) one.out[p] = __ldcg(&from.out[one.pair(p)]);
            head.merge(one);
        }
        return head;
    }

  private:
    /// Merges the block's warps, for the head that has the calling warp's number.
    __device__ PartialHead<HEAD_DIM> merge_warps() {
        auto result = [&](int w) -> auto& {
            return shared_.result_of(w);
        };
        return PartialHead<HEAD_DIM>::template merged<kWarps>(
            [&](int w) { return result(w).max[warp_]; },
            [&](int w) { return result(w).sum[warp_]; },
            [&](int w) { return reinterpret_cast<const float2*>(result(w).out[warp_]); });
    }

    /// Sends it to the block that owns the head.
    __device__ void push_partial(const PartialHead<HEAD_DIM>& partial) {
        if (warp_ >= a_.shape.group()) return;
        const unsigned to_rank = cluster_rank() - unsigned(rank_) + unsigned(warp_);
        StoredPartial<HEAD_DIM>& to = shared_.received[rank_];
        if (lane_ == 0) st_async(&to.max_sum, {partial.max, partial.sum}, shared_.barrier, to_rank);
#pragma unroll
        for (int p = 0; p < partial.kPairs; p++)
            st_async(&to.out[partial.pair(p)], partial.out[p], shared_.barrier, to_rank);
    }

    /// Waits for the partial results of all blocks and merges them. `use`: of the barrier, from 0.
    __device__ PartialHead<HEAD_DIM> merge_blocks(uint32_t use) {
        shared_.barrier.wait(use);
        const StoredPartial<HEAD_DIM>* from = shared_.received;
        const auto head = PartialHead<HEAD_DIM>::template merged<kKvHeadBlocks>(
            [&](int b) { return from[b].max_sum.x; }, [&](int b) { return from[b].max_sum.y; },
            [&](int b) { return from[b].out; });
        __syncwarp();
        if (lane_ == 0) shared_.barrier.arrive_expect_tx(sizeof shared_.received);
        return head;
    }

    /// Where the splits of the block's head are stored, for all clusters.
    __device__ StoredPartial<HEAD_DIM>* stored_splits() const {
        const size_t head = (size_t(row_) * a_.shape.n_kv_heads + kv_head_) * kMaxGroup + rank_;
        return reinterpret_cast<StoredPartial<HEAD_DIM>*>(a_.partials) + head * kMaxKvSplits;
    }

    const int warp_ = threadIdx.x / kWarp, lane_ = threadIdx.x % kWarp;
    const DecodeAttentionArgs& a_;
    SplitKvShared<HEAD_DIM>& shared_;
    const int rank_;  // among the blocks of the KV head
    const int kv_head_, row_;
    const KvSplits splits_;
    WarpKvTiles<HEAD_DIM> tiles_;
};

}  // namespace qwend
