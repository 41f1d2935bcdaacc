#pragma once

#include <functional>
#include <memory>

#include "daemon/api/grammar_cache.h"
#include "daemon/api/model_text.h"
#include "daemon/engine/engine.h"
#include "daemon/engine/metrics.h"

namespace qwend {

/// A model that is served: its text, the engine that computes it, and what that engine counts.
/// Whoever works with one holds it: it lives as long as a request of it is being answered. The last
/// to let go, on the loop thread, waits for the engine's worker.
struct Model {
    /// `wake` as Engine's.
    Model(std::shared_ptr<const ModelText> model_text, EngineOptions options,
          std::function<void()> wake)
        : text(std::move(model_text)),
          grammars(text->tokenizer),
          engine(options, metrics, std::move(wake)) {}

    /// The context that can really be had: the model's, or the KV pool's if that is smaller, or a
    /// step's where all of a text has to be in one. Any thread.
    int context_limit() const;

    const std::shared_ptr<const ModelText> text;
    GrammarCache grammars;
    EngineMetrics metrics;
    Engine engine;  // last: its worker uses the metrics
};
using ModelPtr = std::shared_ptr<Model>;

}  // namespace qwend
