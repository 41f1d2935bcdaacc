#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/cpu/linear.h"
#include "model/weights.h"

namespace qwend {

/// Which head of a checkpoint: what vectors go through, or what makes logits of hidden states after
/// the last norm, for who wants those of all tokens.
enum class HeadOf { vectors, text };

/// What vectors go through after pooling, whichever device they come from: the head of a model that
/// classifies or rewards, and the dense layers of a sentence-transformers folder. One thread uses
/// it.
class Head {
  public:
    /// Copies the weights; nothing depends on the checkpoint after that. Throws LoadError as
    /// TensorBuffer::read() does.
    explicit Head(const Checkpoint& checkpoint, HeadOf of = HeadOf::vectors);

    bool empty() const { return layers_.empty(); }  // vectors stay what they are
    int n_out(int n_in) const { return layers_.empty() ? n_in : layers_.back().linear.n(); }

    /// vectors: (n, in) → (n, out) f32. All threads take part.
    std::vector<float> apply(std::span<const float> vectors);

  private:
    void add(const TensorFiles& files, const StoredLinear& linear, Activation activation);

    struct Layer {
        CpuLinear linear;
        Activation activation;
    };
    std::vector<Layer> layers_;
    LinearWorkspace workspace_;
};

}  // namespace qwend
