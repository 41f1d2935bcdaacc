#include "model/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "model/cpu/ops.h"

namespace qwend {

namespace {

constexpr int kTile = 64;         // keys scored at a time
constexpr int kSplit = 1024;      // keys of one part of the context; a multiple of kTile
constexpr int kQueryTokens = 16;  // query tokens of one tile
constexpr int kMaxHeadDim = 1024;

typedef float Vec __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int kLanes = 16;

// Macros, since a function that takes or returns a vector has an ABI that depends on the target.
#define QWEND_LOAD(p) (*reinterpret_cast<const Vec*>(p))
#define QWEND_STORE(p, v) (*reinterpret_cast<Vec*>(p) = (v))

constexpr int kRows = 4;  // (query, head) pairs worked on at a time, to reuse what is loaded

/// scores[r][j] = scale * query_r · key_j. keys: (kTile / 16, head_dim, 16).
QWEND_MULTIARCH void score_rows(const float* const* queries, const float* keys, int head_dim,
                                float scale, float* scores) {
    for (int group = 0; group < kTile / kLanes; group++) {
        Vec a{}, b{}, c{}, e{};
        const float* key = keys + group * head_dim * kLanes;
        for (int d = 0; d < head_dim; d++) {
            const Vec k = QWEND_LOAD(key + d * kLanes);
            a += queries[0][d] * k, b += queries[1][d] * k;
            c += queries[2][d] * k, e += queries[3][d] * k;
        }
        float* out = scores + group * kLanes;
        QWEND_STORE(out, a * scale), QWEND_STORE(out + kTile, b * scale);
        QWEND_STORE(out + 2 * kTile, c * scale), QWEND_STORE(out + 3 * kTile, e * scale);
    }
}

/// What the online softmax carries of one (query, head) from tile to tile.
struct SoftmaxState {
    float max, sum;
};

/// Turns the first n of a row's scores into weights exp(score - max) and the rest into 0; returns
/// the factor by which what was accumulated before shrinks. Sums in a fixed order.
QWEND_MULTIARCH float softmax_row(float* scores, int n, SoftmaxState& state) {
    for (int j = n; j < kTile; j++) scores[j] = -std::numeric_limits<float>::infinity();
    float maxes[kLanes], sums[kLanes] = {};
    for (int lane = 0; lane < kLanes; lane++) maxes[lane] = scores[lane];
    for (int j = kLanes; j < kTile; j += kLanes)
        for (int lane = 0; lane < kLanes; lane++)
            maxes[lane] = maxes[lane] > scores[j + lane] ? maxes[lane] : scores[j + lane];
    float max = state.max;
    for (float lane : maxes) max = lane > max ? lane : max;
    for (int j = 0; j < kTile; j += kLanes)
        for (int lane = 0; lane < kLanes; lane++)
            scores[j + lane] = exp_nonpositive(scores[j + lane] - max);
    for (int j = n; j < kTile; j++) scores[j] = 0;
    for (int j = 0; j < kTile; j += kLanes)
        for (int lane = 0; lane < kLanes; lane++) sums[lane] += scores[j + lane];
    float sum = 0;
    for (float lane : sums) sum += lane;
    const float keep = state.max == max ? 1.0f : exp_nonpositive(state.max - max);
    state = {max, state.sum * keep + sum};
    return keep;
}

/// out_r = out_r * keep_r + Σ_j weights[r][j] * value_j over the first n keys.
QWEND_MULTIARCH void accumulate_rows(const float* weights, const float* values, int n, int head_dim,
                                     const float* keep, float* const* out) {
    for (int d = 0; d < head_dim; d += kLanes) {
        Vec a = QWEND_LOAD(out[0] + d) * keep[0], b = QWEND_LOAD(out[1] + d) * keep[1];
        Vec c = QWEND_LOAD(out[2] + d) * keep[2], e = QWEND_LOAD(out[3] + d) * keep[3];
        for (int j = 0; j < n; j++) {
            const Vec v = QWEND_LOAD(values + j * head_dim + d);
            a += weights[j] * v, b += weights[kTile + j] * v;
            c += weights[2 * kTile + j] * v, e += weights[3 * kTile + j] * v;
        }
        QWEND_STORE(out[0] + d, a), QWEND_STORE(out[1] + d, b);
        QWEND_STORE(out[2] + d, c), QWEND_STORE(out[3] + d, e);
    }
}

QWEND_MULTIARCH void widen(const bf16_t* from, float* to, int n) {
    for (int i = 0; i < n; i++) to[i] = bf16_to_float(from[i]);
}

}  // namespace

void KvLayer::write(size_t slot, const float* key, const float* value_row) const {
    for (int head = 0; head < n_kv_heads; head++) {
        bf16_t* to = key_group(slot, head) + slot % kGroup;
        for (int d = 0; d < head_dim; d++) to[d * kGroup] = float_to_bf16(key[head * head_dim + d]);
    }
    to_bf16(value_row, value(slot, 0), n_kv_heads * head_dim);
}

void CpuAttention::plan(const Batch& batch) {
    const size_t group = size_t(shape_.n_heads / shape_.n_kv_heads);
    items_.clear();
    size_t n_partials = 0;
    for (const BatchSequence& sequence : batch.sequences)
        for (int query = 0; query < sequence.n_query; query += kQueryTokens) {
            const int n_query = std::min(kQueryTokens, sequence.n_query - query);
            const int n_before = sequence.n_context - sequence.n_query;
            const int end = shape_.is_causal ? n_before + query + n_query : sequence.n_context;
            for (int head = 0; head < shape_.n_kv_heads; head++)
                for (int begin = 0; begin < end; begin += kSplit) {
                    items_.push_back({&sequence, head, sequence.query_begin + query, n_query, begin,
                                      std::min(begin + kSplit, end), n_partials});
                    n_partials += size_t(n_query) * group;
                }
        }
    partials_.resize(std::max(partials_.size(), n_partials * partial_stride()));
}

void CpuAttention::load_tile(const Item& item, const Batch& batch, const KvLayer& kv, int begin,
                             int n_keys, float* keys, float* values) const {
    const int32_t* table = batch.block_tables.data() + item.sequence->block_table_begin;
    const int head_dim = shape_.head_dim;
    for (int at = 0; at < n_keys; at += KvLayer::kGroup) {
        const int position = begin + at;
        const size_t slot = size_t(table[position / shape_.block_size]) * shape_.block_size +
                            size_t(position % shape_.block_size);
        widen(kv.key_group(slot, item.kv_head), keys + at * head_dim, head_dim * KvLayer::kGroup);
        const int n_group = std::min(KvLayer::kGroup, n_keys - at);
        for (int j = 0; j < n_group; j++)
            widen(kv.value(slot + size_t(j), item.kv_head), values + (at + j) * head_dim, head_dim);
    }
}

void CpuAttention::run_item(const Batch& batch, const KvLayer& kv, const Item& item,
                            const float* queries) {
    const int head_dim = shape_.head_dim, group = shape_.n_heads / shape_.n_kv_heads;
    const int n_rows = item.n_query * group;
    const float scale = 1.0f / std::sqrt(float(head_dim));
    static thread_local std::vector<float> keys, values;
    keys.resize(size_t(head_dim) * kTile), values.resize(size_t(head_dim) * kTile);
    auto partial = [&](int row) {
        return partials_.data() + (item.partial_begin + size_t(row)) * partial_stride();
    };
    for (int row = 0; row < n_rows; row++) {
        std::fill(partial(row), partial(row) + partial_stride(), 0.0f);
        partial(row)[0] = -std::numeric_limits<float>::infinity();
    }
    for (int begin = item.context_begin; begin < item.context_end; begin += kTile) {
        const int n_keys = std::min(kTile, item.context_end - begin);
        load_tile(item, batch, kv, begin, n_keys, keys.data(), values.data());
        for (int first = 0; first < n_rows; first += kRows) {
            const float* query[kRows];
            float *out[kRows], keep[kRows], scores[kRows * kTile], spare[kMaxHeadDim];
            for (int r = 0; r < kRows; r++) {  // past the end the last row is computed again
                const int row = std::min(first + r, n_rows - 1);
                const int token = item.query_begin + row / group;
                const int head = item.kv_head * group + row % group;
                query[r] = queries + (size_t(token) * shape_.n_heads + size_t(head)) * head_dim;
            }
            score_rows(query, keys.data(), head_dim, scale, scores);
            int n_most = 0;
            for (int r = 0; r < kRows; r++) {
                const int row = first + r;
                const int token = item.query_begin + row / group;
                int n_seen = row < n_rows ? n_keys : 0;
                if (n_seen > 0 && shape_.is_causal)
                    n_seen = std::clamp(batch.positions[token] + 1 - begin, 0, n_keys);
                n_most = std::max(n_most, n_seen);
                out[r] = n_seen > 0 ? partial(row) + 2 : spare;
                keep[r] = 0;
                if (n_seen == 0) {  // a query before this tile, or none: its weights are all 0
                    std::fill(scores + r * kTile, scores + (r + 1) * kTile, 0.0f);
                    std::fill(spare, spare + head_dim, 0.0f);
                    continue;
                }
                SoftmaxState state{partial(row)[0], partial(row)[1]};
                keep[r] = softmax_row(scores + r * kTile, n_seen, state);
                partial(row)[0] = state.max, partial(row)[1] = state.sum;
            }
            accumulate_rows(scores, values.data(), n_most, head_dim, keep, out);
        }
    }
}

void CpuAttention::merge(float* out) {
    const int head_dim = shape_.head_dim, group = shape_.n_heads / shape_.n_kv_heads;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t first = 0; first < items_.size(); first++) {
        const Item& item = items_[first];
        if (item.context_begin != 0) continue;  // a later part, merged with its first
        size_t n_parts = 1;
        while (first + n_parts < items_.size() && items_[first + n_parts].context_begin != 0)
            n_parts++;
        for (int row = 0; row < item.n_query * group; row++) {
            auto part = [&](size_t i) {
                return partials_.data() +
                       (items_[first + i].partial_begin + size_t(row)) * partial_stride();
            };
            float max = part(0)[0], sum = 0;
            for (size_t i = 1; i < n_parts; i++) max = std::max(max, part(i)[0]);
            const int token = item.query_begin + row / group;
            const int head = item.kv_head * group + row % group;
            float* o = out + (size_t(token) * shape_.n_heads + size_t(head)) * head_dim;
            std::fill(o, o + head_dim, 0.0f);
            for (size_t i = 0; i < n_parts; i++) {
                const float* p = part(i);
                const float weight = p[0] == max ? 1.0f : exp_nonpositive(p[0] - max);
                if (p[1] == 0) continue;  // a query that sees nothing of this part
                sum += p[1] * weight;
                for (int d = 0; d < head_dim; d++) o[d] += p[2 + d] * weight;
            }
            for (int d = 0; d < head_dim; d++) o[d] /= sum;
        }
    }
}

void CpuAttention::run(const Batch& batch, const KvLayer& kv, const float* queries, float* out) {
    plan(batch);
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < items_.size(); i++) run_item(batch, kv, items_[i], queries);
    merge(out);
}

}  // namespace qwend
