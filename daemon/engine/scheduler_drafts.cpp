// The guesses that a step checks beside what it computes anyway.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/engine/scheduler.h"

namespace qwend {

void Scheduler::plan_drafts() {
    std::vector<Planned*> drafted;
    for (Planned& planned : plan_) {
        const Sequence& sequence = *planned.sequence;
        if (sequence.drafter && sequence.n_pending == 0 && sequence.state == SequenceState::decode)
            drafted.push_back(&planned);
    }
    int n_left = std::min(max_step_tokens_, max_draft_rows_) - n_planned_tokens_;
    for (size_t i = 0; i < drafted.size() && n_left > 0; ++i) {
        const auto n_others = static_cast<int>(drafted.size() - i - 1);
        n_left -= draft(*drafted[i], (n_left + n_others) / (n_others + 1));
    }
}

/// Adds up to `n_most` guesses to what is planned of a sequence, and returns how many.
int Scheduler::draft(Planned& planned, int n_most) {
    Sequence& sequence = *planned.sequence;
    // The last token is sampled after the last draft that may be right.
    const int n_left = sequence.max_tokens - sequence.n_output() - 1;
    const int n_spare = std::max(0, blocks_.n_free() - static_cast<int>(running_.size()));
    const auto n_blocks = static_cast<int64_t>(sequence.table.blocks.size()) + n_spare;
    const int64_t n_room = n_blocks * blocks_.block_size() - sequence.n_known();
    n_most =
        static_cast<int>(std::min<int64_t>({sequence.drafter->max_drafts, n_left, n_room, n_most}));
    if (n_most <= 0) return 0;
    planned.n_drafts = add_drafts(sequence, n_most, waiting_cost(), n_vocab_);
    if (planned.n_drafts == 0) return 0;
    sequence.awaits_drafts = true;
    SchedulerCounters::Drafts& counters =
        counters_.drafts[static_cast<size_t>(sequence.draft_source)];
    counters.steps++;
    counters.tokens += static_cast<uint64_t>(planned.n_drafts);
    planned.n_tokens += planned.n_drafts;
    n_planned_tokens_ += planned.n_drafts;
    blocks_.grow(sequence.table, blocks_.blocks_for(sequence.tokens.size()));
    return planned.n_drafts;
}

/// See DraftQuery. In company a sequence misses the step that is launched meanwhile; alone it is
/// the device that waits, for the host.
float Scheduler::waiting_cost() const {
    constexpr float kRoundTrip = 0.08f;  // of a step; the smallest model's, on a GPU
    if (max_steps_in_flight_ == 1) return 0;
    return running_.size() > 1 ? 1 : kRoundTrip;
}

/// Whether the drafter knows what may follow the tokens in flight, and there is room for guesses.
bool Scheduler::expects_drafts(const Sequence& sequence) const {
    if (!sequence.drafter || sequence.n_pending == 0) return false;
    if (static_cast<int>(running_.size()) >= max_draft_rows_) return false;
    const int n_most = std::min(sequence.n_pending + 1, sequence.drafter->max_drafts);
    const Drafts drafts = drafts_of(sequence, n_most, waiting_cost(), n_vocab_);
    return static_cast<int>(drafts.ids.size()) > sequence.n_pending;
}

/// Of a sequence that ends, for those that come.
void Scheduler::remember(const Sequence& sequence) {
    if (sequence.drafter && sequence.drafter->learns)
        recent_.add(sequence.cache_salt, std::span(sequence.tokens).first(sequence.n_known()),
                    static_cast<size_t>(sequence.n_prompt));
}

/// Forgets the keys and values of the last tokens, which were guessed wrongly.
void Scheduler::roll_back(Sequence& sequence, int n_tokens) {
    sequence.n_computed -= n_tokens;
    blocks_.shrink(sequence.table, blocks_.blocks_for(sequence.n_computed));
}

}  // namespace qwend
