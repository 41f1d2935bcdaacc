#include "gpu/copy_tiles.h"

#include <algorithm>

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

/// `strides` in elements, of every dimension but the first.
template <size_t N>
CUtensorMap encode(const bf16* data, const cuuint64_t (&sizes)[N],
                   const cuuint64_t (&strides)[N - 1], const cuuint32_t (&box)[N],
                   CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_128B) {
    cuuint64_t byte_strides[N - 1];
    cuuint32_t element_strides[N];
    std::transform(strides, strides + N - 1, byte_strides,
                   [](cuuint64_t n) { return n * sizeof(bf16); });
    std::fill_n(element_strides, N, 1);
    CUtensorMap map;
    const CUresult result =
        encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, N, const_cast<bf16*>(data), sizes,
                  byte_strides, box, element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (result != CUDA_SUCCESS)
        device_fault("cuTensorMapEncodeTiled failed with error " + std::to_string(int(result)));
    return map;
}

}  // namespace

WeightTiles::WeightTiles(RowWeights weights, int run, int tile_groups) : groups_a_run(run / 8) {
    const cuuint64_t k = cuuint64_t(weights.k), n = cuuint64_t(weights.n);
    const cuuint64_t r = cuuint64_t(run);
    const auto boxes = cuuint32_t(std::min(tile_groups, groups_a_run));
    map = encode<5>(weights.data, {k, 8, 2, r / 8, n / (2 * r)}, {k, r * k, 8 * k, 2 * r * k},
                    {kTileDepth, 8, 2, boxes, cuuint32_t(tile_groups) / boxes});
}

CUtensorMap input_tiles(const bf16* x, int n_rows, int k, int tile_rows) {
    return encode<2>(x, {cuuint64_t(k), cuuint64_t(n_rows)}, {cuuint64_t(k)},
                     {kTileDepth, cuuint32_t(tile_rows)});
}

CUtensorMap narrow_tiles(const bf16* x, int n_rows, int tile_rows) {
    constexpr cuuint64_t kWidth = 16;
    return encode<2>(x, {kWidth, cuuint64_t(n_rows)}, {kWidth}, {kWidth, cuuint32_t(tile_rows)},
                     CU_TENSOR_MAP_SWIZZLE_32B);
}

}  // namespace qwend
