#pragma once

#include <memory>

#include "model/backend.h"
#include "model/weights.h"

namespace qwend {

/// The reference backend, and the default where there is no GPU: oneDNN bf16 products with f32
/// accumulation (f32 where the CPU lacks bf16), the rest in plain C++. Packs the weights once and
/// copies the embedding; nothing depends on the checkpoint or its files after that. Throws
/// LoadError if memory does not suffice or a file changed meanwhile.
std::unique_ptr<Backend> make_cpu_backend(const Checkpoint& checkpoint,
                                          const BackendOptions& options);

/// What that backend would say of itself, by the free memory of now and without loading anything;
/// for `qwend check`. Throws as make_cpu_backend() does.
BackendInfo plan_cpu_backend(const Checkpoint& checkpoint, const BackendOptions& options);

}  // namespace qwend
