#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "model/cpu/linear.h"
#include "model/host_memory.h"
#include "model/weights.h"

namespace qwend {

/// Tensors copied from the files of a checkpoint into memory, by all threads. It serves one group
/// of tensors after the other, so that loading needs little beside what it makes of them.
class TensorBuffer {
  public:
    explicit TensorBuffer(const TensorFiles& files) : files_(files) {}

    /// The tensors; valid until the next call. Throws LoadError as TensorFiles::read() does.
    std::vector<TensorView> read(std::span<const StoredTensor* const> tensors);
    std::vector<TensorView> read(std::initializer_list<const StoredTensor*> tensors) {
        return read(std::span(tensors.begin(), tensors.size()));
    }
    /// The memory itself, with the tensors of the last call; they stay valid as long as it does.
    LazyMemory take() { return std::move(memory_); }

  private:
    const TensorFiles& files_;
    LazyMemory memory_;
};

/// One product of several linear layers with the same input: their outputs side by side. Quantised
/// ones stay packed if all are of one kind; else each becomes numbers. Throws LoadError as
/// TensorBuffer::read() does, and for quantised weights that are no numbers.
CpuLinear load_linear(TensorBuffer& buffer, std::initializer_list<const StoredLinear*> parts);

/// What the CPU backend needs of memory and may have, in bytes.
struct CpuMemory {
    size_t weight_bytes = 0;  // as it will hold them
    size_t kv_bytes = 0;      // of the KV cache: as asked for, or chosen
};

/// Decides it before anything is loaded. `kv_bytes`: 0 to choose `wanted` bytes, or half of what is
/// left beside the weights if that is less. Throws LoadError, Expected and Actual, if the weights
/// are more than the machine has, or a cache that was asked for more than is available.
CpuMemory plan_cpu_memory(size_t weight_bytes, size_t kv_bytes, size_t wanted,
                          const HostMemory& host);

/// Bytes of a checkpoint once loaded: matrices of `element_bytes`, or packed where they are
/// quantised, and the embedding as it is stored.
size_t cpu_weight_bytes(const Weights& weights, size_t element_bytes);

}  // namespace qwend
