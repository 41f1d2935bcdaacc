// What is done with the partial sums of ranks, against its twin: the stream and the next input to
// the bit, in the order of ranks.

#include "tests/gpu/linear/products.h"

using namespace qwend;

namespace {

/// Of n rows of `width` columns. square_width 0: nothing is wanted besides the stream.
void check_sums(Random& random, int n_ranks, int n, int width, int square_width, Tally& tally) {
    const size_t columns = size_t(width), size = size_t(n) * columns;
    const size_t together = size_t(std::max(square_width, 1));
    const size_t n_sums = square_width > 0 ? (columns + together - 1) / together : 0;
    auto hidden = random.floats(size, 3);
    const auto norm = random.floats(columns, 0.3f, 1);
    const auto device_norm = to_device(norm);
    std::vector<DeviceBuffer<float>> device_sums;
    PartialSums sums{{}, n_ranks};
    const Output<float> stream(size), squares(size_t(n) * n_sums);
    const Output<bf16> x(size);
    upload(stream.get(), hidden.data(), size);
    for (int rank = 0; rank < n_ranks; rank++) {
        const auto partial = random.floats(size, rank == 1 ? 1e4f : 1);  // so that order counts
        for (size_t i = 0; i < size; i++) hidden[i] += partial[i];
        device_sums.push_back(to_device(partial));
        sums.of_rank[rank] = device_sums.back().get();
    }
    add_partial_sums(
        sums,
        {stream.get(), device_norm.get(), square_width > 0 ? x.get() : nullptr, squares.get()},
        square_width, n, width, test_stream());
    CHECK(same_bits(stream.read(), hidden));
    std::vector<bf16_t> next(size, kUntouched);
    std::vector<Expected> squared(size_t(n) * n_sums);
    for (size_t i = 0; i < size && square_width > 0; i++) {
        next[i] = float_to_bf16(hidden[i] * norm[i % columns]);
        const size_t at = i / columns * n_sums + i % columns / together;
        squared[at].at = at;
        squared[at].value.value += double(hidden[i]) * double(hidden[i]);
    }
    CHECK(same_bits(x.read(), next));
    for (Expected& e : squared)  // so many squares in as many roundings
        e.value.bound = double(square_width) * 0x1p-24 * e.value.value;
    tally.check(squares.read(), squared);
}

}  // namespace

TEST_CASE("add_partial_sums: any number of ranks, rows and columns") {
    const uint64_t seed = test_seed();
    CAPTURE(seed);
    Random random(seed);
    Tally tally("add_partial_sums, squares");
    for (int n_ranks : {1, 2, 3, 4, 8})
        for (int width : {32, 256, 480, 896, 3584, 8192})
            for (int n : {1, 5, 8, 33, 300})
                for (int square_width : {0, kSkinnySquareWidth, kWgmmaSquareWidth}) {
                    if (is_quick() && (width > 896 || n > 33)) continue;
                    CAPTURE(n_ranks);
                    CAPTURE(width);
                    CAPTURE(n);
                    CAPTURE(square_width);
                    check_sums(random, n_ranks, n, width, square_width, tally);
                }
}
