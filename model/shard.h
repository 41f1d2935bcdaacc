#pragma once

#include "model/config.h"

namespace qwend {

/// The share of a model that one of n_ranks devices computes (tensor parallelism): some of the
/// query heads with their KV heads, and some of the MLP's inner columns. q, k, v, gate and up are
/// split by rows (their outputs), o and down by columns (their inputs), so that what a rank's o and
/// down give is a partial sum, to be added over the ranks. Norms, embedding and head are whole.
/// Source: Shoeybi et al. 2019, arXiv:1909.08053 (Megatron-LM).
struct Shard {
    ModelConfig config;  // of the share: n_heads, n_kv_heads and intermediate_size are the rank's
    int first_head = 0, first_kv_head = 0;
    int first_inner = 0;  // column of the MLP's inner width
};

/// Rank `rank` of n_ranks: an equal number of heads, and inner columns as equal as multiples of 32
/// can be. Where there are fewer KV heads than ranks, several ranks have the same one. (0, 1) is
/// the whole model. Throws LoadError if the model cannot be cut so.
Shard shard_of(const ModelConfig& model, int rank, int n_ranks);

}  // namespace qwend
