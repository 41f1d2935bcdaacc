#include "model/shard.h"

#include <algorithm>
#include <string>

#include "model/error.h"

namespace qwend {

namespace {

constexpr int kInnerUnit = 32;  // columns: what the products' sizes are multiples of

}  // namespace

Shard shard_of(const ModelConfig& model, int rank, int n_ranks) {
    const int n_kv = model.n_kv_heads, units = model.intermediate_size / kInnerUnit;
    const bool kv_heads_split = n_kv % n_ranks == 0 || n_ranks % n_kv == 0;
    if (n_ranks > 1 && (model.n_heads % n_ranks != 0 || !kv_heads_split || units < n_ranks ||
                        model.intermediate_size % kInnerUnit != 0))
        throw LoadError(
            "expected a model that " + std::to_string(n_ranks) + " GPUs can share, found " +
            std::to_string(model.n_heads) + " query heads, " + std::to_string(n_kv) +
            " KV heads and an inner size of " + std::to_string(model.intermediate_size));
    Shard shard{model};
    if (n_ranks == 1) return shard;
    shard.config.n_heads = model.n_heads / n_ranks;
    shard.config.n_kv_heads = std::max(1, n_kv / n_ranks);
    shard.first_head = rank * shard.config.n_heads;
    shard.first_kv_head = rank * n_kv / n_ranks;
    // The first ranks have a unit more, if there is no equal number.
    auto first_unit = [&](int of_rank) {
        return of_rank * (units / n_ranks) + std::min(of_rank, units % n_ranks);
    };
    shard.first_inner = first_unit(rank) * kInnerUnit;
    shard.config.intermediate_size = first_unit(rank + 1) * kInnerUnit - shard.first_inner;
    return shard;
}

}  // namespace qwend
