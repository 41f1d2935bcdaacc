#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace qwend {

/// What elements the mathematics reads; `other` stands for everything else a file may hold.
enum class DType { bf16, f16, f32, other };

size_t dtype_size(DType dtype);            // bytes; 0 for other
std::string_view dtype_name(DType dtype);  // "BF16", as safetensors spells it

/// A tensor in memory; valid as long as whoever gave it says.
struct TensorView {
    DType dtype = DType::bf16;
    std::vector<int64_t> shape;  // row-major
    const std::byte* data = nullptr;
    size_t n_bytes = 0;
};

}  // namespace qwend
