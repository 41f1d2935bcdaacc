#pragma once

#include "gpu/attention/grouped_queries.cuh"
#include "gpu/sm90/cluster.cuh"
#include "gpu/sm90/cp_async.cuh"
#include "gpu/sm90/dsmem.cuh"

namespace qwend {

// For few rows time is latency: the weights of later kernels keep the memory busy, and every load
// that depends on another costs microseconds. So a part of a row's context is spread over a cluster
// of blocks, whose warps take a tile of 16 keys each in turn and have the next one on its way to
// shared memory. Those of earlier steps are before the kernel waits for its predecessor; after the
// wait come the queries and the newest tile. Each block of the cluster then puts one head together.
//
// How a context is cut depends on its length alone, and parts are merged in order: a row's bits do
// not depend on how many rows there are.

inline constexpr int kBlocks = kMaxGroup;  // of a KV head: one a head
inline constexpr int kWarps = 8;           // of a block
inline constexpr int kThreads = kWarps * kWarp;
inline constexpr int kRoundTiles = kBlocks * kWarps;  // of a KV head: one a warp

template <int HEAD_DIM>
struct Tile {
    bf16 keys[kBlockTokens * HEAD_DIM];
    bf16 values[HEAD_DIM * kBlockTokens];
    static constexpr int kElements = kBlockTokens * HEAD_DIM;
};

/// One head's share of attention, in the registers of a warp: its dimensions in pairs.
template <int HEAD_DIM>
struct HeadShare {
    static constexpr int kPairs = HEAD_DIM / (2 * kWarp);  // of a thread
    float max = -INFINITY, sum = 0;
    float2 out[kPairs] = {};

    /// Where the thread's pair p is among all of them.
    __device__ static int pair(int p) { return int(threadIdx.x) % kWarp + p * kWarp; }

    /// Shares 0 … N - 1: {maxima(i), sums(i)}, and outs(i) with the pairs. All maxima are known at
    /// once, so that no addition waits for more than the one before it.
    template <int N, class Maxima, class Sums, class Outs>
    __device__ static HeadShare merged(Maxima maxima, Sums sums, Outs outs) {
        HeadShare share;
#pragma unroll
        for (int i = 0; i < N; i++) share.max = fmaxf(share.max, maxima(i));
        const float base = share.max == -INFINITY ? 0 : share.max;
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float factor = exp2_flushed(maxima(i) - base);
            share.sum += sums(i) * factor;
#pragma unroll
            for (int p = 0; p < kPairs; p++) {
                const float2 one = outs(i)[pair(p)];
                share.out[p].x += one.x * factor, share.out[p].y += one.y * factor;
            }
        }
        return share;
    }
    /// `other` comes after what is here already.
    __device__ void merge(const HeadShare& other) {
        if (other.max == -INFINITY) return;
        const float new_max = fmaxf(max, other.max);
        const float keep = exp2_flushed(max - new_max), take = exp2_flushed(other.max - new_max);
        sum = sum * keep + other.sum * take;
#pragma unroll
        for (int p = 0; p < kPairs; p++) {
            out[p].x = out[p].x * keep + other.out[p].x * take;
            out[p].y = out[p].y * keep + other.out[p].y * take;
        }
        max = new_max;
    }
    /// The head's output, when nothing is left to merge.
    __device__ void write(bf16* to) const {
#pragma unroll
        for (int p = 0; p < kPairs; p++)
            reinterpret_cast<uint32_t*>(to)[pair(p)] = pack_bf16(out[p].x / sum, out[p].y / sum);
    }
};

/// A head's share as it lies in memory: of a block, or of a part.
template <int HEAD_DIM>
struct StoredShare {
    float2 max_sum;
    float2 out[HEAD_DIM / 2];
};

template <int HEAD_DIM>
struct FewShared {
    Tile<HEAD_DIM> tiles[kWarps];  // and in the memory of a warp's last one, its result
    StoredShare<HEAD_DIM> received[kBlocks];
    Mbarrier barrier;
    static_assert(sizeof(GroupResult<HEAD_DIM>) <= sizeof(Tile<HEAD_DIM>));

    __device__ GroupResult<HEAD_DIM>& result_of(int warp) {
        return *reinterpret_cast<GroupResult<HEAD_DIM>*>(&tiles[warp]);
    }
};

/// How a row's context is cut, in tiles.
struct ContextParts {
    int n_context, n_tiles, tiles_per_part, n_parts;

    __device__ explicit ContextParts(int n_context)
        : n_context(n_context), n_tiles((n_context + kBlockTokens - 1) / kBlockTokens) {
        const int rounds = (n_tiles + kRoundTiles - 1) / kRoundTiles;
        tiles_per_part =
            max(kPartTokens / kBlockTokens, (rounds + kMaxParts - 1) / kMaxParts * kRoundTiles);
        n_parts = (n_tiles + tiles_per_part - 1) / tiles_per_part;
    }
    __device__ int begin(int part) const { return part * tiles_per_part; }
    __device__ int end(int part) const { return min(begin(part + 1), n_tiles); }
};

/// The tiles of one row and KV head that are the calling warp's: of every kRoundTiles one.
template <int HEAD_DIM>
class WarpTiles {
  public:
    /// `rank`: the block's, of kBlocks. `to`: where the warp has room for a tile.
    __device__ WarpTiles(const DecodeAttentionArgs& a, const ContextParts& parts, int row,
                         int kv_head, int rank, Tile<HEAD_DIM>& to)
        : a_(a),
          parts_(parts),
          table_(a.block_tables + size_t(a.lanes[row]) * a.table_width),
          kv_head_(kv_head),
          own_(int(threadIdx.x) / kWarp * kBlocks + rank),
          to_(to) {}

    /// Copies the first tile of a part; attend() copies the others. `without_newest`: unless it is
    /// the context's last tile, which the kernel before may still be writing.
    __device__ void begin(int part, bool without_newest) {
        next_ = parts_.begin(part) + own_, end_ = parts_.end(part);
        if (!without_newest || next_ != parts_.n_tiles - 1) copy_next();
    }
    /// Copies what begin() left.
    __device__ void copy_newest(int part) {
        if (next_ == parts_.begin(part) + own_) copy_next();
    }

    /// Attends to the warp's tiles of a part that was begun.
    __device__ GroupRunning<HEAD_DIM> attend(const GroupQueries<HEAD_DIM>& queries, int part,
                                             float scale) {
        const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4;
        GroupRunning<HEAD_DIM> running;
        for (int tile = parts_.begin(part) + own_; tile < end_; tile += kRoundTiles) {
            cp_async_wait_all();
            __syncwarp();  // what the warp's other threads copied
            KeyFragment<HEAD_DIM> keys;
            ValueFragment<HEAD_DIM> values;
            keys.load(to_.keys, g, t);
            values.load(to_.values, g, t);
            __syncwarp();  // the tile is read
            copy_next();
            float scores[4];
            score_group<HEAD_DIM>(scores, queries, keys, tile * kBlockTokens, parts_.n_context,
                                  scale, g);
            running.take(scores, values);
        }
        running.finish();
        return running;
    }

  private:
    __device__ void copy_next() {
        if (next_ >= end_) return;
        const size_t offset =
            (size_t(table_[next_]) * a_.shape.n_kv_heads + kv_head_) * Tile<HEAD_DIM>::kElements;
        next_ += kRoundTiles;
        constexpr int kElementsOfCopy = kCpAsyncBytes / int(sizeof(bf16));
#pragma unroll
        for (int i = threadIdx.x % kWarp * kElementsOfCopy; i < Tile<HEAD_DIM>::kElements;
             i += kWarp * kElementsOfCopy) {
            cp_async(to_.keys + i, a_.cache.keys + offset + i);
            cp_async(to_.values + i, a_.cache.values + offset + i);
        }
    }

    const DecodeAttentionArgs& a_;
    const ContextParts parts_;
    const int32_t* table_;
    int kv_head_, own_;
    Tile<HEAD_DIM>& to_;
    int next_ = 0, end_ = 0;
};

/// A row and KV head in the hands of kBlocks blocks of a cluster. blockIdx: (block of a KV head,
/// row, first of the parts that are the cluster's: every gridDim.z-th).
template <int HEAD_DIM>
class FewAttention {
  public:
    __device__ FewAttention(const DecodeAttentionArgs& a, FewShared<HEAD_DIM>& shared)
        : a_(a),
          shared_(shared),
          rank_(int(cluster_rank()) % kBlocks),
          kv_head_(int(blockIdx.x) / kBlocks),
          row_(int(blockIdx.y)),
          parts_(a.contexts[row_]),
          tiles_(a, parts_, row_, kv_head_, rank_, shared.tiles[warp_]) {}

    /// Where keys and values of earlier steps lie is known before the kernel before this has ended.
    __device__ void begin() { tiles_.begin(int(blockIdx.z), true); }

    /// After the wait, of a row that has a context. Calls take(share, part) with every part of the
    /// cluster, in the warp that puts the block's head together.
    template <class Take>
    __device__ void run(float scale, Take take) {
        tiles_.copy_newest(int(blockIdx.z));
        if (warp_ == 0) init_and_expect(shared_.barrier, sizeof shared_.received);
        const GroupQueries<HEAD_DIM> queries(
            a_.queries + (size_t(row_) * a_.shape.n_heads + kv_head_ * a_.shape.group()) * HEAD_DIM,
            a_.shape.group(), lane_ / 4, lane_ % 4);
        uint32_t use = 0;
        for (int part = blockIdx.z; part < parts_.n_parts; part += int(gridDim.z), use++) {
            if (use == 0)
                cluster_arrive_relaxed();
            else
                cluster_arrive();  // what this block received of the part before was read
            const auto running = tiles_.attend(queries, part, scale);
            shared_.result_of(warp_).put(running, lane_ / 4, lane_ % 4);
            __syncthreads();
            const HeadShare<HEAD_DIM> share = merge_warps();
            if (const int next_part = part + int(gridDim.z); next_part < parts_.n_parts) {
                __syncthreads();  // the results were read
                tiles_.begin(next_part, false);
            }
            cluster_wait();
            push_share(share);
            if (has_head()) take(merge_blocks(use), part);
        }
    }

    __device__ int n_parts() const { return parts_.n_parts; }
    /// Whether the calling warp is the one that puts a head together; whether its block has one.
    __device__ bool has_head() const { return warp_ == 0 && block_has_head(); }
    __device__ bool block_has_head() const { return rank_ < a_.shape.group(); }
    __device__ int head() const { return kv_head_ * a_.shape.group() + rank_; }

    __device__ void store(const HeadShare<HEAD_DIM>& head, int part) const {
        StoredShare<HEAD_DIM>& to = stored_parts()[part];
        if (lane_ == 0) to.max_sum = {head.max, head.sum};
#pragma unroll
        for (int p = 0; p < head.kPairs; p++) to.out[head.pair(p)] = head.out[p];
    }
    /// Whether all other clusters of the row have stored their parts of the head.
    __device__ bool is_last() const {
        int32_t* arrivals =
            a_.arrivals + (size_t(row_) * a_.shape.n_kv_heads + kv_head_) * kMaxGroup + rank_;
        __threadfence();
        __syncwarp();
        int before = 0;
        if (lane_ == 0) before = atomicAdd(arrivals, 1);
        const int n_clusters = min(int(gridDim.z), parts_.n_parts);
        if (__shfl_sync(0xffffffffu, before, 0) != n_clusters - 1) return false;
        __threadfence();
        if (lane_ == 0) *arrivals = 0;
        return true;
    }
    __device__ HeadShare<HEAD_DIM> merge_parts() const {
        HeadShare<HEAD_DIM> head;
        for (int part = 0; part < parts_.n_parts; part++) {
            const StoredShare<HEAD_DIM>& from = stored_parts()[part];
            const float2 max_sum = __ldcg(&from.max_sum);
            HeadShare<HEAD_DIM> one;
            one.max = max_sum.x, one.sum = max_sum.y;
#pragma unroll
            for (int p = 0; p < one.kPairs; p++) one.out[p] = __ldcg(&from.out[one.pair(p)]);
            head.merge(one);
        }
        return head;
    }

  private:
    /// Of the head that has the warp's number.
    __device__ HeadShare<HEAD_DIM> merge_warps() {
        auto result = [&](int w) -> auto& {
            return shared_.result_of(w);
        };
        return HeadShare<HEAD_DIM>::template merged<kWarps>(
            [&](int w) { return result(w).max[warp_]; },
            [&](int w) { return result(w).sum[warp_]; },
            [&](int w) { return reinterpret_cast<const float2*>(result(w).out[warp_]); });
    }

    /// To the block that puts the head together.
    __device__ void push_share(const HeadShare<HEAD_DIM>& share) {
        if (warp_ >= a_.shape.group()) return;
        const unsigned to_rank = cluster_rank() - unsigned(rank_) + unsigned(warp_);
        StoredShare<HEAD_DIM>& to = shared_.received[rank_];
        if (lane_ == 0) st_async(&to.max_sum, {share.max, share.sum}, shared_.barrier, to_rank);
#pragma unroll
        for (int p = 0; p < share.kPairs; p++)
            st_async(&to.out[share.pair(p)], share.out[p], shared_.barrier, to_rank);
    }

    __device__ HeadShare<HEAD_DIM> merge_blocks(uint32_t use) {
        shared_.barrier.wait(use);
        const StoredShare<HEAD_DIM>* from = shared_.received;
        const auto head = HeadShare<HEAD_DIM>::template merged<kBlocks>(
            [&](int b) { return from[b].max_sum.x; }, [&](int b) { return from[b].max_sum.y; },
            [&](int b) { return from[b].out; });
        __syncwarp();
        if (lane_ == 0) shared_.barrier.arrive_expect_tx(sizeof shared_.received);
        return head;
    }

    /// Of the block's head, in memory that all clusters share.
    __device__ StoredShare<HEAD_DIM>* stored_parts() const {
        const size_t head = (size_t(row_) * a_.shape.n_kv_heads + kv_head_) * kMaxGroup + rank_;
        return reinterpret_cast<StoredShare<HEAD_DIM>*>(a_.partials) + head * kMaxParts;
    }

    const int warp_ = threadIdx.x / kWarp, lane_ = threadIdx.x % kWarp;
    const DecodeAttentionArgs& a_;
    FewShared<HEAD_DIM>& shared_;
    const int rank_;  // among the blocks of the KV head
    const int kv_head_, row_;
    const ContextParts parts_;
    WarpTiles<HEAD_DIM> tiles_;
};

}  // namespace qwend
