#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "daemon/engine/kv_blocks.h"
#include "daemon/engine/recent_texts.h"
#include "daemon/engine/sequence.h"
#include "model/backend.h"

namespace qwend {

/// What a step gave one sequence. `sequence` is valid until the next call of schedule().
struct StepOutput {
    Sequence* sequence;
    TokenEvent event;
};

/// Totals since the start.
struct SchedulerCounters {
    uint64_t preemptions = 0;
    uint64_t prefix_queried = 0;   // prompt tokens looked up in the prefix cache, once a sequence
    uint64_t prefix_hit = 0;       // of them found
    uint64_t tokens_compared = 0;  // of those that wait with those that run
    uint64_t blocks_adopted = 0;   // from the prefix cache
    struct Drafts {
        uint64_t steps = 0;     // of a sequence, with guesses
        uint64_t tokens = 0;    // guesses
        uint64_t accepted = 0;  // those that were right
    };
    std::array<Drafts, kDraftSources> drafts;  // by DraftSource
};

/// Which sequences run in the next step, and how far: continuous batching with chunked prefill.
/// Pure policy: no threads, no clock, no tensors.
///
/// The order of service is priority, then arrival. A step takes, until its tokens are used up:
///  1. one token of every decoding sequence, so that prefill never stops a stream;
///  2. chunks of prefill, in order of service; of a smaller step where streams wait for it, and of
///     one as small where all prompts yield, which is alone in flight: whoever comes meanwhile does
///     not wait for long. A waiting sequence starts when a lane is free and the pool has room for
///     all its tokens and one block more for each running sequence; while the first in line finds
///     no room, nobody overtakes it. One whose prefix a running sequence is about to compute
///     follows that one: it lets others pass until it can share those blocks.
///  3. the guesses of drafters, which may be wrong: so they take neither a token that somebody is
///     sure of nor a block that somebody may soon need, and there are none in steps of so many
///     tokens that one more is not cheap. Sequences share alike in them. A step that finds them
///     right gives a sequence several tokens; the keys and values of wrong ones are computed over
///     again.
/// A decoding sequence that finds no block takes those of the last in order of service, which
/// starts over later (preemption by recompute). The first in order is therefore never interrupted,
/// and every sequence that fits the pool alone finishes.
///
/// A sequence whose prompt is reported, scored or pooled, takes nothing from the prefix cache and
/// follows nobody until all is said of it, but for its last token: each of the others has to be
/// computed. It leaves there what any other does. Its chunks are as small as what the backend
/// reports in a step demands, and no token of it is reported twice, preempted or not. One that is
/// pooled samples nothing: it ends with its vectors.
///
/// Where a token sees all of its sequence, that is computed in one step, and the prefix cache is of
/// no use.
///
/// A held sequence is left out of all this. It keeps its blocks and its lane until another needs
/// them, and is then the first to be preempted, so it stands in nobody's way.
///
/// A step costs what changed and what runs, however many wait and whatever they share: one that
/// follows is not looked at until its leader has computed what they share, or stops; what the
/// prefix cache has of one that waits is remembered, and brought up to date at the cost of what
/// changed; and a step does a bounded amount of this work, so that the rest of the line waits for
/// the next.
///
/// Several steps may be scheduled before the first is postprocessed, as many as the backend takes
/// in flight. A sequence goes on as if its sampled tokens were known: a placeholder stands for
/// each until its step is over. Since the device computes the steps in order, blocks and lanes
/// change hands as soon as their owner leaves; only what others read by its content, the prefix
/// cache, waits until the step is over and the tokens are known. What a step in flight samples for
/// a sequence that finished or was cancelled meanwhile is dropped. One that awaits its last token
/// is in no step while a token of it is in flight, nor is one whose drafter expects to know what
/// follows it: guesses begin where the text is known. A constraint has to see that token before it
/// can say what may come next, but not before the step begins: such a step awaits its masks, if the
/// backend can.
class Scheduler {
  public:
    struct InOrder {
        bool operator()(const Sequence* a, const Sequence* b) const { return precedes(*a, *b); }
    };
    using SequenceSet = std::set<Sequence*, InOrder>;  // in order of service

    Scheduler(const BackendInfo& info, bool prefix_cache);

    /// False if the sequence could never run: no prompt, nothing left to generate, or prompt and
    /// output exceed the pool or, where it has to be computed in one, the step; or if its id is in
    /// use.
    bool add(GenerationRequest request, double now, std::shared_ptr<ChoiceGroup> group = nullptr);
    /// Forgets a sequence in whatever state it is; false if there is none with this id.
    bool cancel(SequenceId id);
    const Sequence* find(SequenceId id) const;  // nullptr: finished, cancelled or never added
    /// Takes a sequence out of the coming steps until it is resumed; what steps in flight sample
    /// for it is still given. Both do nothing if it is so already, or unknown.
    void hold(SequenceId id);
    void resume(SequenceId id);

    /// The next step; valid until the next call of anything. Empty, and not in flight, if there is
    /// nothing to do before a step in flight is postprocessed, or has its masks. Call only with
    /// room for one more.
    const Batch& schedule(double now);
    /// Records what the backend made of the oldest batch in flight. Appends one output for each
    /// sample that is a token of a sequence which still wants it, in order, or that ends it; before
    /// them one with the scores or the vectors of the step.
    void postprocess(StepResult& result, std::vector<StepOutput>& outputs);

    /// Whether the step that was launched last awaits its masks, and all before it are
    /// postprocessed: then find_masks() gives them, one for each sample, valid until the next call
    /// of anything.
    bool can_find_masks() const { return in_flight_.size() == 1 && awaits_masks(); }
    std::span<const VocabularyMask> find_masks();

    /// How many tokens a step may have while streams wait for their next one; where all its prompts
    /// yield, as many as the backend said at first.
    void set_busy_step_tokens(int n) { busy_step_tokens_ = n; }

    int n_in_flight() const { return static_cast<int>(in_flight_.size()); }
    /// Nothing to do; there may be sequences, but they are held.
    bool idle() const { return running_.empty() && waiting_.empty() && in_flight_.empty(); }
    int n_sequences() const { return static_cast<int>(sequences_.size()); }  // not finished
    const std::vector<Sequence*>& running() const { return running_; }       // in order of service
    const SequenceSet& waiting() const { return waiting_; }  // those that follow are among them
    /// Those held that have blocks and a lane; those without are in none of the three.
    const SequenceSet& held() const { return held_; }
    const KvBlocks& blocks() const { return blocks_; }
    const SchedulerCounters& counters() const { return counters_; }
    /// What finding cached and coming prefixes has cost, in units of one token compared, about half
    /// a nanosecond.
    uint64_t n_work() const;

  private:
    struct Planned {
        Sequence* sequence;
        int n_tokens;
        int n_drafts = 0;  // of them, the last so many
    };
    /// One row of a step in flight. By id: the sequence may be gone when the step is over.
    struct Launched {
        SequenceId id;
        uint64_t run;
        int n_context;
        int sample_begin, n_samples;  // in StepResult::samples
        int score_begin, n_scores;    // in StepResult::scores
        int vector_begin, n_vectors;  // in StepResult::vectors
        int report_begin;             // place of the first token that one of them is of
    };

    bool awaits_masks() const { return !in_flight_.empty() && in_flight_.back().awaits_masks; }
    void plan_decodes();
    void admit_waiting();
    void plan_prefills(double now);
    int smaller_step(int n_tokens) const;
    int yielding_tokens(const Sequence& sequence) const;
    void plan_drafts();
    void plan(Sequence& sequence, int n_tokens);
    int draft(Planned& planned, int n_most);
    float waiting_cost() const;
    bool expects_drafts(const Sequence& sequence) const;
    void remember(const Sequence& sequence);
    bool can_sample(const GenerationRequest& request) const;
    bool can_pool(const GenerationRequest& request) const;
    int most_reports(const Sequence& sequence) const {
        return sequence.pooling ? max_vectors_ : max_scores_;
    }
    static int n_reports_of(const Sequence& sequence, int n_tokens);
    int prefill_chunk(const Sequence& sequence, int n_tokens, int n_reports) const;
    void build_batch();
    void add_to_batch(const Planned& planned);
    void add_sampling(BatchSequence& row, Sequence& sequence, int n_drafts);
    void add_reports(BatchSequence& row, Sequence& sequence);
    void add_tokens(const Sequence& sequence, int begin, int end);

    bool prefill_ahead_fills_step(const Sequence& candidate) const;
    bool follow_one(Sequence& candidate);
    void match_prefix(Sequence& candidate);
    void match_running(Sequence& candidate);
    int compare(const Sequence& a, const Sequence& b, int begin, int end);
    int coming_prefix(const Sequence& candidate, const Sequence& other);
    void release_followers(Sequence& leader, int n_most);
    void unfollow(Sequence& sequence);
    void enter_line(Sequence& sequence);
    void leave_line(Sequence& sequence);
    bool has_room(const Sequence& candidate) const;
    bool make_room(const Sequence& candidate);
    void start(Sequence& sequence);
    bool secure_block(Sequence& sequence);
    void preempt(Sequence& sequence);
    void stop_running(Sequence& sequence);
    void leave(Sequence& sequence);
    void take(Sequence& sequence, int n_context, std::span<SampledToken> samples,
              std::vector<StepOutput>& outputs);
    void take_scores(Sequence& sequence, std::span<ScoredToken> scores,
                     std::vector<StepOutput>& outputs);
    void take_vectors(Sequence& sequence, const Launched& launched, std::span<const float> vectors,
                      std::vector<StepOutput>& outputs);
    std::vector<float> wanted_vectors(const Sequence& sequence, int begin,
                                      std::span<const float> vectors) const;
    static std::vector<float> reduced_vector(Sequence& sequence, std::span<const float> vector,
                                             bool is_last);
    void roll_back(Sequence& sequence, int n_tokens);
    void land(Sequence& sequence, int n_context);
    void forget_cached();
    TokenEvent settle(Sequence& sequence, SampledToken&& sampled);
    void finish(Sequence& sequence);

    int max_step_tokens_, busy_step_tokens_, least_busy_step_tokens_, max_draft_rows_,
        max_steps_in_flight_, max_scores_, max_vectors_, vector_size_, n_vocab_;
    bool late_masks_, samples_, is_causal_;
    bool prefix_cache_;
    KvBlocks blocks_;
    RecentTexts recent_;
    std::vector<int> free_lanes_;
    uint64_t n_arrivals_ = 0, n_runs_ = 0;
    std::unordered_map<SequenceId, std::unique_ptr<Sequence>> sequences_;
    std::vector<Sequence*> running_;
    SequenceSet waiting_, held_;
    SequenceSet line_;  // of those that wait, the ones that follow nobody
    std::vector<std::unique_ptr<Sequence>> finished_;  // since the last schedule()
    std::vector<Planned> plan_;
    int n_planned_tokens_ = 0, n_planned_scores_ = 0, n_planned_vectors_ = 0;
    int step_tokens_ = 0;           // most of the step that is planned
    int yielding_step_tokens_ = 0;  // where all its prompts yield
    Batch batch_;
    int n_batch_samples_ = 0, n_batch_scores_ = 0, n_batch_vectors_ = 0;
    struct Step {
        std::vector<Launched> rows;
        bool awaits_masks = false;
    };
    std::deque<Step> in_flight_;  // oldest first
    std::vector<VocabularyMask> late_masks_found_;
    SchedulerCounters counters_;
};

}  // namespace qwend
