#pragma once

#include <functional>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/tensors.h"
#include "model/shard.h"
#include "model/weights.h"

namespace qwend {

struct DeviceLayer {
    const float *input_norm, *post_attention_norm;  // (hidden)
    LinearWeights qkv;                              // q, k, v below each other
    const float* qkv_bias;                          // (qkv_dim)
    LinearWeights o;
    LinearWeights gate_up;  // gate, up
    LinearWeights down;
};

/// A shard of a checkpoint in device memory: matrices bf16, or packed where they are quantised,
/// vectors f32, one copy of each; a tied head is the embedding itself.
class DeviceWeights {
  public:
    /// Copies from the files through pinned memory, several copies in flight; `on_progress` gets
    /// 0 … 1. Throws BackendFault, or LoadError if a file changed meanwhile or quantised weights
    /// are none that a device takes.
    DeviceWeights(const Checkpoint& checkpoint, const Shard& shard, const Device& device,
                  const std::function<void(float)>& on_progress);

    /// What n_bytes() will be, without a device. Throws LoadError for quantised weights as above.
    static size_t bytes_of(const Weights& weights, const Shard& shard);

    const bf16* embedding() const { return embedding_; }
    const std::vector<DeviceLayer>& layers() const { return layers_; }
    const float* final_norm() const { return final_norm_; }
    const LinearWeights& lm_head() const { return lm_head_; }
    size_t n_bytes() const { return memory_.n_bytes(); }

  private:
    DeviceBuffer<std::byte> memory_;  // of everything
    const bf16* embedding_ = nullptr;
    std::vector<DeviceLayer> layers_;
    const float* final_norm_ = nullptr;
    LinearWeights lm_head_{};
};

}  // namespace qwend
