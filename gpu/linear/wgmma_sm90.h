#pragma once

#include "gpu/linear/linear.h"

namespace qwend {

/// The products of rows.h for more rows than those are good for, fused in the same way: tiles of
/// weights and of input to shared memory by the copy engine, weights before the kernel before has
/// ended, and the tensor cores' largest product. Where a matrix has few tiles, a cluster of blocks
/// shares the inner dimension of each. Any number of rows; a row's result has the same bits
/// whatever rows are beside it. Where has_wgmma().

inline constexpr int kManySquareWidth = 64;  // of the sums of squares that add_many makes

/// Up to how many rows they are the faster ones beside cuBLASLt, as measured with 896, 1,536 and
/// 3,584 columns: large matrices keep the device busy without them.
int max_many_rows(int hidden_size);

void qkv_many(const QkvRows& args, int n_rows, cudaStream_t stream);
void add_many(RowWeights weights, const bf16* x, RowStream out, int n_rows, cudaStream_t stream);
void gate_up_many(RowWeights weights, RowInput input, bf16* out, int n_rows, cudaStream_t stream);
/// input.row_of must be null here.
void logits_many(RowWeights weights, RowInput input, float* logits, int n_rows,
                 cudaStream_t stream);

/// Both ways, for those who choose.
struct RowProducts {
    decltype(&qkv_rows) qkv;
    decltype(&add_rows) add;
    decltype(&gate_up_rows) gate_up;
    decltype(&logits_rows) logits;
    int square_width;  // columns of a sum of squares, which `add` makes and the others read
};
inline constexpr RowProducts kFewProducts{qkv_rows, add_rows, gate_up_rows, logits_rows,
                                          kFewSquareWidth};
inline constexpr RowProducts kManyProducts{qkv_many, add_many, gate_up_many, logits_many,
                                           kManySquareWidth};

}  // namespace qwend
