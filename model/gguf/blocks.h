#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/linear_kind.h"

namespace qwend {

/// A type of GGUF's that keeps weights in blocks of consecutive ones. In all of them a weight is
/// code * scale less what its group has in common, so all come to the one form of unpack.h: a
/// weight is (code - zero) * scale. Where a group's scale is zero and what is taken away is not, it
/// is scale, zero is 1, and codes are 0.
/// Source: ggml-common.h and ggml-quants.c of llama.cpp.
struct BlockFormat {
    std::string_view name;   // "Q4_K"
    LinearKind kind;         // int4 or int8: what its codes are
    int n_weights, n_bytes;  // of a block
    int group;               // weights that share a scale
    bool has_zeros;          // numbers; else all are the middle, 8 of int4 and 128 of int8
    void (*codes)(const std::byte* block, uint8_t* out);
    void (*scales)(const std::byte* block, float* scales, float* zeros);

    int n_groups() const { return n_weights / group; }
    /// Bytes of as many weights, a multiple of n_weights.
    size_t bytes_of(size_t n) const { return n / size_t(n_weights) * size_t(n_bytes); }
};

/// By its name; nullptr if it is none of these.
const BlockFormat* find_block_format(std::string_view name);

/// The number that stands for a type in a file, as a name; "type 99" if nobody knows it.
std::string gguf_type_name(uint32_t type);

/// "Q4_0, Q4_1, …": all block formats.
std::string block_format_names();

/// Whole blocks as numbers.
void blocks_to_float(const BlockFormat& format, const std::byte* blocks, size_t n_blocks,
                     float* out);

}  // namespace qwend
