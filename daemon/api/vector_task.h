#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/api/model.h"
#include "daemon/engine/sequence.h"

namespace qwend {

/// A text of which vectors are made.
struct VectorInput {
    PromptTokens tokens;  // at least one
    int begin = 0;        // of them, the first that is pooled
};

/// How a dialect writes what became of the texts, input by input. Loop thread; each call is short,
/// since it takes one vector in, or gives a part of what is left to say.
class VectorRenderer {
  public:
    virtual ~VectorRenderer() = default;
    /// Takes the next vector of an input, and appends to `out` what can be said already.
    virtual void add(std::vector<float> vector, std::string& out) = 0;
    /// The input has no more; the next vector is of the next one.
    virtual void end_input(std::string&) {}
    /// Appends the next part of the rest, once all inputs have ended; true if that was not all.
    virtual bool finish(int64_t n_tokens, std::string& out) = 0;
};

/// What is asked of a model's hidden states, in no dialect.
struct VectorTask {
    ModelPtr model;
    std::vector<VectorInput> inputs;  // may be empty
    Pooling pooling = Pooling::last;
    std::optional<int32_t> only_token;  // as PoolingRequest's
    int priority = 0;
    std::string cache_salt;
    std::unique_ptr<VectorRenderer> renderer;
};

}  // namespace qwend
