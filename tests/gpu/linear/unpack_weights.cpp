#include "gpu/linear/unpack_weights.h"

#include <tuple>

#include "tests/gpu/linear/packed_matrix.h"

using namespace qwend;

TEST_CASE("unpack_weights: every weight as bf16, to the bit") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    for (LinearKind kind : {LinearKind::int4, LinearKind::int8, LinearKind::fp8})
        for (auto [n, k, group] : {std::tuple{16, 128, 128},
                                   {48, 896, 128},
                                   {32, 896, 896},
                                   {64, 4864, 32},
                                   {16, 1536, 64}}) {
            CAPTURE(int(kind));
            CAPTURE(k);
            CAPTURE(group);
            const PackedMatrix matrix(random, kind, n, k, group);
            Output<bf16> out(size_t(n) * size_t(k));
            unpack_weights(packed(matrix.weights()), out.get(), test_stream());
            const auto bits = out.read();
            size_t n_wrong = 0;
            for (size_t i = 0; i < bits.size(); i++)
                n_wrong += bits[i] != float_to_bf16(matrix.values()[i]);
            CHECK(n_wrong == 0);
        }
}
