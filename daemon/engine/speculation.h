#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/sampling.h"

namespace qwend {

struct Sequence;

/// Where guesses come from.
enum class DraftSource { repetition, form, others };
inline constexpr size_t kDraftSources = 3;

/// What a drafter is asked.
struct DraftQuery {
    std::span<const int32_t> tokens;  // of the sequence, prompt and output
    int n_most;                       // ids that may follow them; more are ignored
    float waiting;  // steps that the sequence loses where guesses are made, since its next step has
                    // to wait for what becomes of them
};

/// Guesses how a sequence goes on. The step that computes its last token then computes the guesses
/// too and samples after each: as many as were right need no step of their own. A guess is compared
/// with the sampled token itself, a pure function of those before it. The stream is therefore the
/// one without guesses, not only in distribution as in Leviathan et al., "Fast Inference from
/// Transformers via Speculative Decoding", ICML'23, as far as the backend's numbers do not depend
/// on how a text is cut into steps. Called by the engine's worker alone.
struct Drafter {
    int max_drafts = 0;  // ids a step; one more sample is taken
    /// Appends guesses to `drafts`, which is empty; none is an answer. It may be asked more than
    /// once of the same tokens.
    std::function<DraftSource(const DraftQuery& query, std::vector<int32_t>& drafts)> draft;
    /// Whether what others generated is guessed too where it has nothing to say, and they may learn
    /// of this sequence in turn; see RecentTexts.
    bool learns = false;
};

/// How often guesses of a kind were right; old ones fade.
struct GuessRecord {
    float n_right, n;  // begins with what is expected

    float rate() const { return n_right / n; }
    void add(bool is_right) {
        constexpr float kMost = 32;
        n_right += is_right, n += 1;
        if (n > kMost) n_right /= 2, n /= 2;
    }
};

/// How many guesses are worth making: each is right with its chance, if those before it are, and
/// costs `row_cost` of a step (BackendInfo::draft_row_cost). None, unless they gain more than the
/// waiting loses, with something to spare for chances that are wrong.
size_t n_worthwhile(std::span<const float> chances, float row_cost, float waiting);

/// What `first` guesses; where it has nothing to say, what `second` does.
Drafter first_of(Drafter first, Drafter second);

struct Drafts {
    std::vector<int32_t> ids;
    DraftSource source;  // of any there are
};
/// What the sequence's drafter guesses to follow the tokens that are known. An id outside the
/// vocabulary ends the guesses.
Drafts drafts_of(const Sequence& sequence, int n_most, float waiting, int n_vocab);
/// Puts them after the tokens, all of which are known, and returns how many they are.
int add_drafts(Sequence& sequence, int n_most, float waiting, int n_vocab);
/// Of one step's samples of the sequence, how many come after a guess that was wrong. They are no
/// tokens of the sequence, and the guesses in their place are taken away.
int reject_drafts(Sequence& sequence, std::span<const SampledToken> samples);

}  // namespace qwend
