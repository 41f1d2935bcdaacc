#pragma once

#include <memory>

#include "gpu/cuda_backend.h"

namespace qwend {

/// The CUDA backend on the first device, as tests of every backend want it (BackendFactory).
inline std::unique_ptr<Backend> make(std::shared_ptr<const Checkpoint> checkpoint,
                                     const BackendOptions& options) {
    return make_cuda_backend(*checkpoint, 0, options);
}

inline std::unique_ptr<Backend> make_deterministic(std::shared_ptr<const Checkpoint> checkpoint,
                                                   BackendOptions options) {
    options.deterministic = true;
    return make_cuda_backend(*checkpoint, 0, options);
}

}  // namespace qwend
