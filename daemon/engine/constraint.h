#pragma once

#include <cstdint>
#include <functional>
#include <span>

namespace qwend {

/// What a request's output has to obey, a grammar for instance: whoever knows it answers what may
/// come next. Its state is that of one sequence, and it is called by the engine's worker alone. A
/// call that throws counts as a failure of the backend.
struct Constraint {
    /// Writes all of `masks`, (1 + drafts.size(), mask_words(n_vocab)): first the ids that may come
    /// next, then those that may come after each of `drafts`, which are guesses. What follows a
    /// guess that may not come is never used. A mask that allows nothing ends the sequence.
    std::function<void(std::span<const int32_t> drafts, std::span<uint32_t> masks)> fill_masks;
    /// Told every id of the output in order, each once: those that the request begins with, then
    /// each that is sampled, the last one included.
    std::function<void(int32_t token)> accept;
};

}  // namespace qwend
