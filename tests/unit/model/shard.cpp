// Which heads and inner columns a rank has.

#include "model/shard.h"

#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

#include "model/error.h"

using namespace qwend;

namespace {

ModelConfig model_of(int n_heads, int n_kv_heads, int inner) {
    ModelConfig model;
    model.hidden_size = 896, model.head_dim = 64, model.vocab_size = 1000;
    model.n_heads = n_heads, model.n_kv_heads = n_kv_heads, model.intermediate_size = inner;
    return model;
}

}  // namespace

TEST_CASE("shard: the only rank has the whole model, whatever its sizes") {
    const Shard shard = shard_of(model_of(14, 2, 4861), 0, 1);
    CHECK(shard.config.n_heads == 14);
    CHECK(shard.config.n_kv_heads == 2);
    CHECK(shard.config.intermediate_size == 4861);
    CHECK((shard.first_head == 0 && shard.first_kv_head == 0 && shard.first_inner == 0));
}

TEST_CASE("shard: every head and column is some rank's, and a query finds its KV head there") {
    // The published shapes, and how many GPUs can share them.
    for (auto [n_heads, n_kv, inner, most] : {std::tuple{14, 2, 4864, 2},
                                              {12, 2, 8960, 4},
                                              {16, 2, 11008, 8},
                                              {28, 4, 18944, 4},
                                              {40, 8, 13824, 8},
                                              {40, 8, 27648, 8},
                                              {64, 8, 29568, 8},
                                              {64, 8, 29696, 8}})
        for (int n_ranks = 1; n_ranks <= most; n_ranks *= 2) {
            CAPTURE(n_heads);
            CAPTURE(inner);
            CAPTURE(n_ranks);
            int next_head = 0, next_inner = 0;
            for (int rank = 0; rank < n_ranks; rank++) {
                const Shard shard = shard_of(model_of(n_heads, n_kv, inner), rank, n_ranks);
                const ModelConfig& c = shard.config;
                CHECK(shard.first_head == next_head);
                CHECK(shard.first_inner == next_inner);
                for (int head = 0; head < c.n_heads; head++)
                    CHECK(shard.first_kv_head + head / (c.n_heads / c.n_kv_heads) ==
                          (next_head + head) / (n_heads / n_kv));
                CHECK(c.intermediate_size % 32 == 0);
                CHECK(std::abs(c.intermediate_size - inner / n_ranks) <= 32);
                next_head += c.n_heads, next_inner += c.intermediate_size;
            }
            CHECK(next_head == n_heads);
            CHECK(next_inner == inner);
        }
}

TEST_CASE("shard: a model that cannot be cut so is refused with its numbers") {
    CHECK_THROWS_WITH_AS(shard_of(model_of(14, 2, 4864), 0, 4),
                         "expected a model that 4 GPUs can share, found 14 query heads, 2 KV heads "
                         "and an inner size of 4864",
                         LoadError);
    CHECK_THROWS_AS(shard_of(model_of(12, 6, 4864), 0, 4), LoadError);  // 6 KV heads over 4
    CHECK_THROWS_AS(shard_of(model_of(8, 8, 96), 0, 4), LoadError);     // three units of 32
    CHECK_THROWS_AS(shard_of(model_of(8, 8, 4850), 0, 2), LoadError);
}
