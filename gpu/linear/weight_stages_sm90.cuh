#pragma once

#include <bit>

#include "gpu/cuda.h"
#include "gpu/linear/packed_steps.cuh"
#include "gpu/linear/weight_map.h"
#include "gpu/sm90/tensor_map.h"
#include "gpu/sm90/tma.cuh"

// What linear_wgmma_sm90_kernel has of weights in a stage of its ring, by their kind. A group is 16
// weight rows, eight low ones and their partners.

namespace qwend {

/// Dense weights: a stage has 64 columns of k, as wgmma takes them from shared memory.
struct DenseStages {
    static constexpr bool kIsPacked = false;
    static constexpr int kColumns = kSwizzleColumns;
    static constexpr int kGroupBytes = 16 * kColumns * 2;  // of 16 weight rows
    CUtensorMap map;

    static DenseStages of(const DenseWeights& weights, int partner_offset, int groups_per_tile) {
        return {weight_tensor_map(weights, partner_offset, groups_per_tile)};
    }
    __device__ void prefetch() const { prefetch_tensor_map(map); }
    __device__ void copy(unsigned char* to, Mbarrier& full, int k_step, int group,
                         int offset) const {
        tma_load_5d(to, map, full, k_step * kColumns, 0, 0, group, offset);
    }
};

/// Quantised weights: a stage has 128 columns, the codes of all its groups and their scales, of
/// which a weight row has one.
template <LinearKind KIND>
struct PackedStages {
    using Steps = PackedSteps<KIND>;
    static constexpr bool kIsPacked = true;
    static constexpr int kColumns = 128, kChunks = kColumns / Steps::kInputs;
    static constexpr int kCodeBytes = 2 * kChunks * kTileBytes;           // of 16 weight rows
    static constexpr int kScaleBytes = 2 * kTileRows * sizeof(uint32_t);  // the same
    static constexpr int kGroupBytes = kCodeBytes + kScaleBytes;
    CUtensorMap codes, scales;
    int groups_per_tile, group_shift;  // 2^group_shift stages share scales

    static PackedStages of(const PackedWeights& weights, int partner_offset, int groups_per_tile) {
        const bool is_all = weights.group == weights.k;
        SHAPE_CHECK(weights.kind == KIND && weights.group % kColumns == 0);
        return {codes_tensor_map(weights, partner_offset, groups_per_tile, kChunks),
                scales_tensor_map(weights, partner_offset, groups_per_tile), groups_per_tile,
                is_all ? 31 : std::countr_zero(unsigned(weights.group / kColumns))};
    }

    __device__ void prefetch() const { prefetch_tensor_map(codes), prefetch_tensor_map(scales); }
    __device__ void copy(unsigned char* to, Mbarrier& full, int k_step, int group,
                         int offset) const {
        tma_load_5d(to, codes, full, 0, k_step * kChunks, 0, group, offset);
        tma_load_5d(to + groups_per_tile * kCodeBytes, scales, full, 0, k_step >> group_shift, 0,
                    group, offset);
    }
};

#if __CUDA_ARCH_FEAT_SM90_ALL
/// A warp's group of quantised weights of a stage, in registers.
template <LinearKind KIND>
class PackedGroup {
    using Stages = PackedStages<KIND>;
    using Steps = PackedSteps<KIND>;

  public:
    __device__ void load(const unsigned char* stage, int group, int n_groups) {
        const int lane = threadIdx.x % kWarp;
        const unsigned char* codes = stage + group * Stages::kCodeBytes + lane * 16;
        const auto* scales = reinterpret_cast<const uint32_t*>(
            stage + n_groups * Stages::kCodeBytes + group * Stages::kScaleBytes);
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
            for (int i = 0; i < Stages::kChunks; i++)
                codes_[half][i] = *reinterpret_cast<const uint4*>(
                    codes + (half * Stages::kChunks + i) * kTileBytes);
            scales_[half] = scales[half * kTileRows + lane / 4];
        }
    }
    /// The operands of 64 columns, the first or the second.
    __device__ void unpack(int which, uint32_t (&a)[4][4]) const {
        const auto low_zero = Steps::zero_of(scales_[0]), high_zero = Steps::zero_of(scales_[1]);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int step = 2 * which + i;
            const int chunk = step / Steps::kOfChunk, of_chunk = step % Steps::kOfChunk;
            const uint4 low = Steps::unpack(codes_[0][chunk], of_chunk, low_zero);
            const uint4 high = Steps::unpack(codes_[1][chunk], of_chunk, high_zero);
            a[2 * i][0] = low.x, a[2 * i][1] = high.x, a[2 * i][2] = low.y, a[2 * i][3] = high.y;
            a[2 * i + 1][0] = low.z, a[2 * i + 1][1] = high.z;
            a[2 * i + 1][2] = low.w, a[2 * i + 1][3] = high.w;
        }
    }
    __device__ float2 factors() const {
        return {Steps::scale_of(scales_[0]), Steps::scale_of(scales_[1])};
    }

  private:
    uint4 codes_[2][Stages::kChunks];
    uint32_t scales_[2];
};
#endif

}  // namespace qwend
