#pragma once

#include <memory>
#include <string>

#include "gpu/device.h"
#include "model/backend.h"
#include "model/weights.h"

namespace qwend {

/// Why this checkpoint cannot run on the CUDA backend; empty if it can.
std::string check_cuda_model(const ModelConfig& config);

/// Loads the weights onto device `index`. Steps of decode and of one prompt are captured as CUDA
/// graphs by their number of rows, and steps run one ahead of the host: a sampled token is the next
/// step's input before the host has seen it. Decode of up to 8 sequences, and up to 16 of the
/// smallest model, gives a stream the same bits whatever is beside it. Beyond, and in steps that
/// also prefill, cuBLASLt computes the products, whose low bits depend on the number of rows.
/// Nothing depends on the checkpoint or its files once it is made. Throws LoadError if the device
/// is healthy but will not do (too little memory, too old a driver, no cuBLASLt) or a file changed
/// meanwhile; else BackendFault. After that one, then or later, this process may use nothing of
/// CUDA any more, the backend's destructor included.
std::unique_ptr<Backend> make_cuda_backend(const Checkpoint& checkpoint, int index,
                                           const BackendOptions& options);

/// What that backend would say of itself, by the device's free memory of now and without loading
/// anything; for `qwend check`. Throws as make_cuda_backend() does.
BackendInfo plan_cuda_backend(const Checkpoint& checkpoint, int index,
                              const BackendOptions& options);

}  // namespace qwend
