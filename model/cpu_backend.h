#pragma once

#include <memory>

#include "model/backend.h"
#include "model/weights.h"

namespace qwend {

/// The reference backend, and the default where there is no GPU: oneDNN bf16 products with f32
/// accumulation (f32 where the CPU lacks bf16), the rest in plain C++. Packs the weights once;
/// keeps the checkpoint, whose mapped embedding it reads rows of. Throws LoadError if memory does
/// not suffice.
std::unique_ptr<Backend> make_cpu_backend(std::shared_ptr<const Checkpoint> checkpoint,
                                          const BackendOptions& options);

}  // namespace qwend
