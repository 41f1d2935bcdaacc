#pragma once

#include <optional>
#include <string>

#include "model/tensor_files.h"

namespace qwend {

/// Where the code of output n and input k lies in the files.
enum class CodePacking {
    awq,      // (k, n / 8) words; the outputs 0 2 4 6 1 3 5 7 of eight, from the low nibble on
    gptq,     // (k * bits / 32, n) words of consecutive inputs, the first in the low bits
    along_k,  // (n, k * bits / 32) words of consecutive inputs, the first in the low bits
    bytes,    // (n, k), signed where they are integers
    blocks,   // (n, k / a block's) with their scales: GGUF's types
    at_load,  // nowhere: BF16, F16 or F32 (n, k), which are quantised as they are unpacked
};

/// Where zeros come from.
enum class ZeroPoints {
    middle,       // half the number of codes everywhere; for fp8: none
    stored,       // a tensor of them, packed as the format has it
    stored_less,  // the same, of zeros less one: GPTQ's first format
    numbers,      // any numbers, which are with the codes: GGUF's types
    at_load,      // of 0 to 15, with the codes
};

/// What a quantised linear layer has beside its codes. Scales are (k / group, n) for awq and gptq,
/// (n / rows, k / group) rounded up for the others, where one number may stand for all.
struct QuantizedParts {
    std::string name;        // of the layer, behind its folder's, for errors
    std::string scale_name;  // of its tensor, behind the layer's
    CodePacking packing = CodePacking::bytes;
    ZeroPoints zero_points = ZeroPoints::middle;
    int group = 0;        // inputs that share a scale, at most k
    int rows = 1;         // outputs that share a scale, at most n
    StoredTensor scales;  // empty where they are with the codes
    std::optional<StoredTensor> zeros;

    bool has_zeros() const { return zero_points != ZeroPoints::middle; }
    int n_groups(int k) const { return (k + group - 1) / group; }
};

}  // namespace qwend
