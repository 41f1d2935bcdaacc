#include "gpu/sm90/tensor_map.h"

#include <string>

#include "gpu/cuda.h"

namespace qwend {

namespace {

/// The driver's function, found at run time: qwend starts without a driver too.
auto encoder() {
    static const auto encode = [] {
        void* found = nullptr;
        cudaDriverEntryPointQueryResult result;
        CUDA_CHECK(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000,
                                                    cudaEnableDefault, &result));
        if (result != cudaDriverEntryPointSuccess)
            device_fault("expected a driver with cuTensorMapEncodeTiled, found none");
        return reinterpret_cast<decltype(&::cuTensorMapEncodeTiled)>(found);
    }();
    return encode;
}

}  // namespace

template <size_t N>
CUtensorMap encode_tensor_map(const TensorBox<N>& tensor, CUtensorMapSwizzle swizzle) {
    cuuint64_t byte_strides[N - 1];
    for (size_t i = 0; i < N - 1; i++) byte_strides[i] = tensor.strides[i] * sizeof(*tensor.data);
    cuuint32_t element_strides[N];
    for (cuuint32_t& stride : element_strides) stride = 1;
    CUtensorMap map;
    const CUresult result =
        encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, N,
                  const_cast<__nv_bfloat16*>(tensor.data), tensor.sizes.data(), byte_strides,
                  tensor.box.data(), element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (result != CUDA_SUCCESS)
        device_fault("cuTensorMapEncodeTiled failed with error " + std::to_string(int(result)));
    return map;
}

template CUtensorMap encode_tensor_map(const TensorBox<2>&, CUtensorMapSwizzle);
template CUtensorMap encode_tensor_map(const TensorBox<5>&, CUtensorMapSwizzle);

CUtensorMap matrix_tensor_map(const __nv_bfloat16* x, int n_rows, int k, int tile_rows) {
    return encode_tensor_map<2>({x,
                                 {cuuint64_t(k), cuuint64_t(n_rows)},
                                 {cuuint64_t(k)},
                                 {kSwizzleColumns, cuuint32_t(tile_rows)}});
}

CUtensorMap result_tensor_map(const __nv_bfloat16* y, int n_rows, int n, int tile_rows) {
    return encode_tensor_map<2>({y,
                                 {cuuint64_t(n), cuuint64_t(n_rows)},
                                 {cuuint64_t(n)},
                                 {kResultColumns, cuuint32_t(tile_rows)}},
                                CU_TENSOR_MAP_SWIZZLE_64B);
}

CUtensorMap narrow_tensor_map(const __nv_bfloat16* x, int n_rows, int tile_rows) {
    constexpr cuuint64_t kWidth = 16;
    return encode_tensor_map<2>(
        {x, {kWidth, cuuint64_t(n_rows)}, {kWidth}, {kWidth, cuuint32_t(tile_rows)}},
        CU_TENSOR_MAP_SWIZZLE_32B);
}

}  // namespace qwend
