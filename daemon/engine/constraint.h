#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "model/sampling.h"

namespace qwend {

/// Whether an output may end where it is: not yet; or it may; or nothing can follow.
enum class Completeness { partial, complete, final };

/// What a request's output has to obey, a grammar for instance: whoever knows it answers what may
/// come next. Its state is that of one sequence, and it is called by the engine's worker alone. A
/// call that throws counts as a failure of the backend.
struct Constraint {
    /// Sets all of `masks`, (1 + drafts.size()): first to the ids that may come next, then to those
    /// that may come after each of `drafts`, which are guesses. What follows a guess that may not
    /// come is never used. A mask that allows nothing ends the sequence: with an error, if what it
    /// has come to is partial. The words stay as they are
    /// until a thousand masks later, of whatever sequence, or this one's next token.
    std::function<void(std::span<const int32_t> drafts, std::span<VocabularyMask> masks)>
        find_masks;
    /// Told every id of the output in order, each once: those that the request begins with, then
    /// each that is sampled, the last one included.
    std::function<void(int32_t token)> accept;
    /// Of what was accepted. A sequence ends at once where it is final. Empty: it may end anywhere.
    std::function<Completeness()> completeness = {};
};

}  // namespace qwend
