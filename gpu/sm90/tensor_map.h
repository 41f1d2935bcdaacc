#pragma once

#include <cuda.h>
#include <cuda_bf16.h>

#include <array>
#include <cstddef>

namespace qwend {

/// Tensor maps: what TMA has to know of a matrix in global memory to copy tiles of it to shared
/// memory, swizzled as wgmma reads them, with zeros where the matrix has ended. Source: CUDA Driver
/// API, cuTensorMapEncodeTiled; PTX ISA, "Asynchronous Warpgroup Level Matrix Operation".

/// Columns of bf16 in a row of a tile that is swizzled by 128 bytes.
inline constexpr int kSwizzleColumns = 64;

/// A tensor of bf16 and the box of it that one copy brings, dimensions innermost first.
template <size_t N>
struct TensorBox {
    const __nv_bfloat16* data;
    std::array<cuuint64_t, N> sizes;
    std::array<cuuint64_t, N - 1> strides;  // elements, of every dimension but the first
    std::array<cuuint32_t, N> box;
};

/// Swizzled by 128 bytes, or by 32. Throws BackendFault.
template <size_t N>
CUtensorMap encode_tensor_map(const TensorBox<N>& tensor,
                              CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B);

/// Of a matrix x (n_rows, k), tiles of tile_rows rows and kSwizzleColumns columns.
CUtensorMap matrix_tensor_map(const __nv_bfloat16* x, int n_rows, int k, int tile_rows);

/// Of results y (n_rows, n), tiles of tile_rows rows and kResultColumns columns, swizzled by 64
/// bytes.
inline constexpr int kResultColumns = 32;
CUtensorMap result_tensor_map(const __nv_bfloat16* y, int n_rows, int n, int tile_rows);

/// Of x (n_rows, 16), tiles of tile_rows rows, swizzled by 32 bytes.
CUtensorMap narrow_tensor_map(const __nv_bfloat16* x, int n_rows, int tile_rows);

}  // namespace qwend
