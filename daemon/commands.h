#pragma once

#include <functional>
#include <memory>

#include "daemon/options.h"
#include "model/backend.h"

namespace qwend {

/// Makes the backend the options ask for; called on the worker thread. `on_progress`: 0 … 1.
using BackendMaker =
    std::function<std::unique_ptr<Backend>(std::function<void(float)> on_progress)>;

struct ServedModel;

/// Each returns the process's exit code.
int serve(const Options& options, const ServedModel& model, const BackendMaker& make_backend);
int generate(const CommandLine& line, const ServedModel& model, const BackendMaker& make_backend);

}  // namespace qwend
