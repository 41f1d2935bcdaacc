#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/sampling.h"

namespace qwend {

struct Sequence;

/// Guesses how a sequence goes on. The step that computes its last token then computes the guesses
/// too and samples after each: as many as were right need no step of their own. A guess is compared
/// with the sampled token itself, a pure function of those before it. The stream is therefore the
/// one without guesses, not only in distribution as in Leviathan et al., "Fast Inference from
/// Transformers via Speculative Decoding", ICML'23, as far as the backend's numbers do not depend
/// on how a text is cut into steps. Called by the engine's worker alone.
struct Drafter {
    int max_drafts = 0;  // ids a step; one more sample is taken
    /// Appends up to `n_most` ids that may follow `tokens`, prompt and output; none is an answer.
    std::function<void(std::span<const int32_t> tokens, int n_most, std::vector<int32_t>& drafts)>
        draft;
};

/// Asks the sequence's drafter, puts what it guesses after the tokens, and returns how many they
/// are. An id outside the vocabulary ends the guesses.
int add_drafts(Sequence& sequence, int n_most, int n_vocab);
/// Of one step's samples of the sequence, how many come after a guess that was wrong. They are no
/// tokens of the sequence, and the guesses in their place are taken away.
int reject_drafts(Sequence& sequence, std::span<const SampledToken> samples);

}  // namespace qwend
