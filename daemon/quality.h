#pragma once

#include <functional>
#include <memory>

#include "daemon/command_line.h"
#include "daemon/engine/engine.h"
#include "daemon/text_states.h"
#include "model/backend.h"
#include "model/weights.h"

namespace qwend {

struct ModelText;

/// Makes what a model is measured with.
struct ModelLoader {
    std::function<std::unique_ptr<Backend>(const std::shared_ptr<const Checkpoint>&,
                                           const TokenTexts&,
                                           const std::function<void(float)>& on_progress)>
        backend;
    /// What makes logits (n, vocab) of hidden states after the last norm (n, hidden).
    std::function<VectorHead(const Checkpoint&)> head;
};

/// What the served weights expect to follow in some texts, beside what is expected by those of
/// `line.check.against`, by the files' own where some are quantised at load, or by nobody's; prints
/// it. One model is loaded after the other. Where a machine is slow, the texts are cut, and what
/// takes long is told in the log. Throws LoadError: no text is generated, or the other folder is
/// not of the same model; and as the models do.
void check_quality(const CommandLine& line, const ModelText& text,
                   const std::shared_ptr<const Checkpoint>& served, const ModelLoader& load);

}  // namespace qwend
