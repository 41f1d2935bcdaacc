#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/command_line.h"
#include "daemon/engine/engine.h"
#include "daemon/service_plan.h"
#include "model/backend.h"
#include "model/weights.h"

namespace qwend {

/// Makes the backend the options ask for, and the head that its vectors go through; called on the
/// worker thread. `on_progress`: 0 … 1.
using BackendMaker = std::function<EngineParts(std::function<void(float)> on_progress)>;

struct ModelText;

/// These return the process's exit code.
int serve(const Options& options, ServicePlan plan, std::shared_ptr<const ModelText> text,
          const BackendMaker& make_backend);
int generate(const CommandLine& line, std::shared_ptr<const ModelText> text,
             const BackendMaker& make_backend);
/// Tells what `serve` would do; everything it would refuse was refused before. `backend` is what a
/// backend would say of itself, `why_not_gpu` why it is the CPU's although a GPU was looked for.
void check(const CommandLine& line, const ServicePlan& plan, const ModelText& model,
           const Checkpoint& checkpoint, const BackendInfo& backend,
           const std::string& why_not_gpu);

}  // namespace qwend
