#include "daemon/engine/scheduler.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

namespace qwend {
namespace {

/// What a step does of n_work(), some milliseconds at most, but for the sequence that exceeds it.
constexpr uint64_t kMostWork = 1 << 20;

void insert_in_order(std::vector<Sequence*>& list, Sequence& sequence) {
    auto before = [](const Sequence* a, const Sequence* b) { return precedes(*a, *b); };
    list.insert(std::upper_bound(list.begin(), list.end(), &sequence, before), &sequence);
}

void remove_from(std::vector<Sequence*>& list, const Sequence& sequence) {
    list.erase(std::find(list.begin(), list.end(), &sequence));
}

bool is_running(const Sequence& sequence) {
    return sequence.state == SequenceState::prefill || sequence.state == SequenceState::decode;
}

/// A decoding sequence whose last token is in flight has nothing left to compute.
bool is_streaming(const Sequence& sequence) {
    return sequence.state == SequenceState::decode && sequence.n_output() < sequence.max_tokens;
}

/// Whether it goes on before a step in flight is over.
bool has_decode(const Sequence& sequence) {
    return is_streaming(sequence) &&
           !((sequence.awaits_last_token || sequence.awaits_drafts) && sequence.n_pending > 0);
}

}  // namespace

Scheduler::Scheduler(const BackendInfo& info, bool prefix_cache)
    : max_step_tokens_(info.max_step_tokens),
      busy_step_tokens_(info.busy_step_tokens),
      least_busy_step_tokens_(info.busy_step_tokens),
      max_draft_rows_(info.max_draft_rows),
      max_steps_in_flight_(info.max_steps_in_flight),
      max_scores_(info.max_scores),
      max_vectors_(info.max_vectors),
      vector_size_(info.vector_size),
      n_vocab_(info.n_vocab),
      late_masks_(info.late_masks),
      samples_(info.samples),
      is_causal_(info.is_causal),
      prefix_cache_(prefix_cache && is_causal_),
      blocks_(info.n_blocks, info.block_size, prefix_cache_),
      recent_(info.draft_row_cost) {
    for (int lane = info.max_sequences; lane-- > 0;) free_lanes_.push_back(lane);
}

bool Scheduler::add(GenerationRequest request, double now, std::shared_ptr<ChoiceGroup> group) {
    // The last token is never fed back, so it needs no place in the cache.
    const int64_t n_tokens =
        static_cast<int64_t>(request.prompt.size()) + std::max(request.max_tokens, 1) - 1;
    if (request.prompt.empty()) return false;
    if (request.pooling ? !can_pool(request) : !can_sample(request)) return false;
    if (sequences_.contains(request.id)) return false;
    if (blocks_.blocks_for(n_tokens) > blocks_.n_blocks()) return false;

    if (request.drafter && request.drafter->learns) {
        Drafter others = recent_.drafter(request.cache_salt, request.drafter->max_drafts);
        request.drafter = first_of(*std::move(request.drafter), std::move(others));
    }
    auto sequence = std::make_unique<Sequence>(std::move(request), n_arrivals_++, now,
                                               std::move(group), late_masks_);
    enter_line(*sequence);
    sequences_.emplace(sequence->id, std::move(sequence));
    return true;
}

bool Scheduler::can_sample(const GenerationRequest& request) const {
    if (!samples_ || static_cast<int64_t>(request.output.size()) >= request.max_tokens)
        return false;
    return request.n_prompt_logprobs < 0 || max_scores_ > 0;
}

bool Scheduler::cancel(SequenceId id) {
    auto found = sequences_.find(id);
    if (found == sequences_.end()) return false;
    remember(*found->second);
    leave(*found->second);
    sequences_.erase(found);
    return true;
}

const Sequence* Scheduler::find(SequenceId id) const {
    const auto found = sequences_.find(id);
    return found == sequences_.end() ? nullptr : found->second.get();
}

void Scheduler::hold(SequenceId id) {
    const auto found = sequences_.find(id);
    if (found == sequences_.end() || found->second->held) return;
    Sequence& sequence = *found->second;
    sequence.held = true;
    if (is_running(sequence)) {
        release_followers(sequence, std::numeric_limits<int>::max());
        remove_from(running_, sequence);
        held_.insert(&sequence);
    } else {
        leave_line(sequence);
    }
}

void Scheduler::resume(SequenceId id) {
    const auto found = sequences_.find(id);
    if (found == sequences_.end() || !found->second->held) return;
    Sequence& sequence = *found->second;
    sequence.held = false;
    if (is_running(sequence)) {
        held_.erase(&sequence);
        insert_in_order(running_, sequence);
    } else {
        enter_line(sequence);
    }
}

const Batch& Scheduler::schedule(double now) {
    finished_.clear();
    plan_.clear();
    n_planned_tokens_ = n_planned_scores_ = n_planned_vectors_ = 0;
    batch_.clear();
    if (awaits_masks()) return batch_;
    plan_decodes();
    admit_waiting();
    plan_prefills(now);
    plan_drafts();
    build_batch();
    return batch_;
}

void Scheduler::plan_decodes() {
    // They fit the step, since each once took a token of prefill beside all the others, except
    // where others came while one was held. Preemption takes sequences off the end of running_,
    // never one that is planned already.
    bool is_busy = false;
    for (size_t i = 0; i < running_.size() && n_planned_tokens_ < max_step_tokens_; ++i) {
        Sequence& sequence = *running_[i];
        is_busy |= is_streaming(sequence);
        // Guesses take their time: what was read is on its way to the client meanwhile.
        if (std::exchange(sequence.has_news, false))
            sequence.awaits_drafts = expects_drafts(sequence);
        if (has_decode(sequence) && secure_block(sequence)) plan(sequence, 1);
    }
    step_tokens_ = is_busy ? smaller_step(busy_step_tokens_) : max_step_tokens_;
    yielding_step_tokens_ = std::min(step_tokens_, smaller_step(least_busy_step_tokens_));
}

/// Tokens of a step that should have so many, when its decodes are planned; 0: as any other.
int Scheduler::smaller_step(int n_tokens) const {
    if (n_tokens == 0) return max_step_tokens_;
    const int n_least = (n_tokens + 3) / 4;  // of prompts, which have waited too
    return std::min(max_step_tokens_, std::max(n_tokens, n_planned_tokens_ + n_least));
}

void Scheduler::admit_waiting() {
    const uint64_t before = n_work();
    while (!line_.empty() && !(free_lanes_.empty() && held_.empty())) {
        if (n_work() - before > kMostWork) return;
        Sequence& candidate = **line_.begin();
        if (candidate.n_pending > 0) return;  // preempted in flight, and maybe finished by it
        if (candidate.is_reported()) {
            match_prefix(candidate);
            if (follow_one(candidate)) continue;
        }
        if (prefill_ahead_fills_step(candidate) || !make_room(candidate)) return;
        start(candidate);
    }
}

void Scheduler::plan_prefills(double now) {
    const bool all_yield = std::ranges::all_of(running_, [](const Sequence* s) {
        return s->yields || s->state != SequenceState::prefill;
    });
    // Then those that yield are alone in flight, and whoever asks meanwhile waits for one step.
    if (all_yield && least_busy_step_tokens_ > 0 && plan_.empty() && !in_flight_.empty()) return;
    bool beside_others = false;
    for (Sequence* sequence : running_) {
        if (sequence->state != SequenceState::prefill) continue;
        if (sequence->yields && beside_others) continue;
        const int n_left =
            (all_yield ? yielding_tokens(*sequence) : step_tokens_) - n_planned_tokens_;
        if (n_left <= 0) return;
        int& n_planned = sequence->pooling ? n_planned_vectors_ : n_planned_scores_;
        const int n_chunk = prefill_chunk(*sequence, n_left, most_reports(*sequence) - n_planned);
        if (n_chunk == 0) continue;
        if (sequence->times.scheduled < 0) sequence->times.scheduled = now;
        n_planned += n_reports_of(*sequence, n_chunk);
        plan(*sequence, n_chunk);
        beside_others |= !sequence->yields;
    }
}

/// Of a step in which every prompt yields, for one; more if it cannot be cut.
int Scheduler::yielding_tokens(const Sequence& sequence) const {
    if (is_causal_ || !plan_.empty()) return yielding_step_tokens_;
    return std::clamp(sequence.n_uncomputed(), yielding_step_tokens_, step_tokens_);
}

void Scheduler::plan(Sequence& sequence, int n_tokens) {
    plan_.push_back({&sequence, n_tokens});
    n_planned_tokens_ += n_tokens;
}

/// Blocks are worth giving only to a sequence that gets tokens in this step.
bool Scheduler::prefill_ahead_fills_step(const Sequence& candidate) const {
    int64_t n_ahead = n_planned_tokens_;
    for (const Sequence* sequence : running_)
        if (sequence->state == SequenceState::prefill && precedes(*sequence, candidate))
            n_ahead += prefill_chunk(*sequence, sequence->n_uncomputed(), most_reports(*sequence));
    return n_ahead >= step_tokens_;
}

void Scheduler::enter_line(Sequence& sequence) {
    waiting_.insert(&sequence);
    line_.insert(&sequence);
}

void Scheduler::leave_line(Sequence& sequence) {
    unfollow(sequence);
    waiting_.erase(&sequence);
    line_.erase(&sequence);
}

bool Scheduler::has_room(const Sequence& candidate) const {
    const auto n_new = blocks_.blocks_for(static_cast<int64_t>(candidate.tokens.size())) -
                       static_cast<int64_t>(candidate.match.blocks.size());
    // Without the spare blocks a start would soon force a preemption, most likely its own.
    const auto n_spare = static_cast<int64_t>(running_.size());
    return n_new + blocks_.n_idle(candidate.match) + n_spare <= blocks_.n_free();
}

/// A lane and blocks, if need be those of held sequences.
bool Scheduler::make_room(const Sequence& candidate) {
    while (free_lanes_.empty() || !has_room(candidate)) {
        if (held_.empty()) return false;
        preempt(**held_.rbegin());
    }
    return true;
}

void Scheduler::start(Sequence& sequence) {
    leave_line(sequence);
    insert_in_order(running_, sequence);
    blocks_.adopt(sequence.table, sequence.match);
    blocks_.grow(sequence.table, blocks_.blocks_for(static_cast<int64_t>(sequence.tokens.size())));
    sequence.n_computed = static_cast<int>(sequence.match.blocks.size()) * blocks_.block_size();
    sequence.n_landed = sequence.n_computed;
    counters_.blocks_adopted += sequence.match.blocks.size();
    sequence.match = {};
    sequence.lane = free_lanes_.back();
    free_lanes_.pop_back();
    sequence.run = ++n_runs_;
    if (sequence.state == SequenceState::waiting && sequence.is_reported()) {
        sequence.n_cached = std::min(sequence.n_computed, sequence.n_prompt);
        counters_.prefix_queried += prefix_cache_ ? sequence.n_prompt : 0;
        counters_.prefix_hit += sequence.n_cached;
    }
    sequence.state = SequenceState::prefill;
}

/// Makes sure the next token has a slot, at the cost of the held, then of the last in order of
/// service. False if the sequence itself is that one.
bool Scheduler::secure_block(Sequence& sequence) {
    const auto n_blocks = blocks_.blocks_for(static_cast<int64_t>(sequence.tokens.size()));
    while (!blocks_.grow(sequence.table, n_blocks)) {
        Sequence& last = held_.empty() ? *running_.back() : **held_.rbegin();
        preempt(last);
        if (&last == &sequence) return false;
    }
    return true;
}

void Scheduler::preempt(Sequence& sequence) {
    if (sequence.is_reported())
        blocks_.extend(sequence.match, sequence.table, sequence.table.n_published);
    stop_running(sequence);
    sequence.state = SequenceState::preempted;
    sequence.n_computed = sequence.n_landed = 0;
    if (!sequence.held) enter_line(sequence);
    ++sequence.n_preemptions;
    ++counters_.preemptions;
}

void Scheduler::stop_running(Sequence& sequence) {
    release_followers(sequence, std::numeric_limits<int>::max());
    if (sequence.held)
        held_.erase(&sequence);
    else
        remove_from(running_, sequence);
    blocks_.release(sequence.table);
    free_lanes_.push_back(std::exchange(sequence.lane, -1));
}

void Scheduler::leave(Sequence& sequence) {
    if (is_running(sequence))
        stop_running(sequence);
    else
        leave_line(sequence);
}

void Scheduler::build_batch() {
    batch_.clear();
    n_batch_samples_ = n_batch_scores_ = n_batch_vectors_ = 0;
    if (plan_.empty()) return;
    in_flight_.emplace_back();
    for (const Planned& planned : plan_) add_to_batch(planned);
    in_flight_.back().awaits_masks = batch_.awaits_masks;
}

void Scheduler::add_to_batch(const Planned& planned) {
    Sequence& sequence = *planned.sequence;
    BatchSequence& row = batch_.sequences.emplace_back();
    row.lane = sequence.lane;
    row.run = sequence.run;
    row.query_begin = static_cast<int>(batch_.tokens.size());
    row.n_query = planned.n_tokens;
    row.n_context = sequence.n_computed + planned.n_tokens;
    row.block_table_begin = static_cast<int>(batch_.block_tables.size());
    const bool is_last = planned.n_tokens == sequence.n_uncomputed();
    add_tokens(sequence, sequence.n_computed, row.n_context);
    sequence.n_computed = row.n_context;
    if (is_last) sequence.state = SequenceState::decode;
    if (is_last && !sequence.pooling) add_sampling(row, sequence, planned.n_drafts);
    const int report_begin = std::max(row.n_context - row.n_query, sequence.n_reported);
    add_reports(row, sequence);
    in_flight_.back().rows.push_back({sequence.id, sequence.run, row.n_context, row.sample_begin,
                                      row.n_samples(), row.score_begin, row.n_scores(),
                                      row.vector_begin, row.n_vectors(), report_begin});
}

void Scheduler::add_sampling(BatchSequence& row, Sequence& sequence, int n_drafts) {
    sequence.expect_token();  // before the spans are made, since tokens may move
    row.sampling = &sequence.sampling;
    row.n_drafts = n_drafts;
    row.sample_begin = std::exchange(n_batch_samples_, n_batch_samples_ + row.n_samples());
    row.prompt = sequence.prompt();
    row.output = sequence.output().first(sequence.n_output() - 1);
    if (!sequence.constraint) return;
    if (sequence.n_pending > row.n_samples()) {  // what comes next depends on what is not known yet
        batch_.awaits_masks = true;
        return;
    }
    sequence.masks.resize(size_t(row.n_samples()));
    sequence.constraint->find_masks(sequence.drafts(n_drafts), sequence.masks);
    row.masks = sequence.masks;
}

void Scheduler::add_tokens(const Sequence& sequence, int begin, int end) {
    const auto& table = sequence.table.blocks;
    const int block_size = blocks_.block_size();
    for (int position = begin; position < end; ++position) {
        const int32_t token = sequence.tokens[position];
        batch_.tokens.push_back(token < 0 ? -1 - sequence.lane : token);
        batch_.positions.push_back(position);
        batch_.slots.push_back(table[position / block_size] * block_size + position % block_size);
    }
    batch_.block_tables.insert(batch_.block_tables.end(), table.begin(),
                               table.begin() + blocks_.blocks_for(end));
}

std::span<const VocabularyMask> Scheduler::find_masks() {
    late_masks_found_.clear();
    for (const Launched& launched : in_flight_.back().rows) {
        const size_t begin = late_masks_found_.size();
        late_masks_found_.resize(begin + static_cast<size_t>(launched.n_samples));
        if (launched.n_samples == 0) continue;
        // Of one that is gone, whatever is sampled is dropped.
        const auto found = sequences_.find(launched.id);
        if (found == sequences_.end() || found->second->run != launched.run) continue;
        const Sequence& sequence = *found->second;
        if (sequence.constraint)
            sequence.constraint->find_masks(sequence.drafts(launched.n_samples - 1),
                                            std::span(late_masks_found_).subspan(begin));
    }
    in_flight_.back().awaits_masks = false;
    return late_masks_found_;
}

void Scheduler::postprocess(StepResult& result, std::vector<StepOutput>& outputs) {
    const std::vector<Launched> step = std::move(in_flight_.front().rows);
    in_flight_.pop_front();
    for (const Launched& launched : step) {
        const auto found = sequences_.find(launched.id);
        if (found == sequences_.end()) continue;  // finished or cancelled
        Sequence& sequence = *found->second;      // which is kept when it finishes
        take_scores(sequence,
                    std::span(result.scores).subspan(launched.score_begin, launched.n_scores),
                    outputs);
        take_vectors(sequence, launched, result.vectors, outputs);
        // Ended by them; or started over, which it does not with a token in flight.
        if (sequence.state == SequenceState::finished || sequence.run != launched.run) continue;
        take(sequence, launched.n_context,
             std::span(result.samples).subspan(launched.sample_begin, launched.n_samples), outputs);
    }
}

/// What a step up to `n_context` gave a sequence.
void Scheduler::take(Sequence& sequence, int n_context, std::span<SampledToken> samples,
                     std::vector<StepOutput>& outputs) {
    const int n_rejected = samples.size() > 1 ? reject_drafts(sequence, samples) : 0;
    samples = samples.first(samples.size() - n_rejected);
    if (samples.size() > 1)
        counters_.drafts[static_cast<size_t>(sequence.draft_source)].accepted += samples.size() - 1;
    const bool finite = std::ranges::all_of(
        samples, [](const SampledToken& sampled) { return sampled.token != kNotANumber; });
    if (is_running(sequence)) {
        if (n_rejected > 0) roll_back(sequence, n_rejected);
        if (finite) land(sequence, n_context - n_rejected);
    }
    for (SampledToken& sampled : samples) {
        outputs.push_back({&sequence, settle(sequence, std::move(sampled))});
        if (sequence.state == SequenceState::finished) return;
    }
    sequence.has_news = true;
}

/// The step up to `n_context` is over: those before it are too, so all these tokens are known.
void Scheduler::land(Sequence& sequence, int n_context) {
    sequence.n_landed = n_context;
    blocks_.publish(sequence.table, std::span(sequence.tokens).first(n_context),
                    sequence.cache_salt);
    release_followers(sequence, n_context);
}

/// Keys and values of those numbers may be in any block that was ever shared.
void Scheduler::forget_cached() {
    blocks_.forget_contents();
    for (auto& [_, sequence] : sequences_) {
        sequence->table.n_published = 0, sequence->table.chain_id = 0;
        sequence->match = {};
    }
}

TokenEvent Scheduler::settle(Sequence& sequence, SampledToken&& sampled) {
    TokenEvent event = event_of(sequence);
    event.sampled = std::move(sampled);
    event.finish = sequence.settle_token(event.sampled.token);
    if (event.sampled.token == kNotANumber) {
        event.error =
            "the model's numbers are not finite; if it happens again, its weights are bad";
        forget_cached();
    } else if (event.finish == FinishReason::error) {
        event.error = "the answer cannot go on in the form that was asked for";
    }
    if (event.finish != FinishReason::none) {
        remember(sequence);
        finish(sequence);
    }
    return event;
}

void Scheduler::finish(Sequence& sequence) {
    leave(sequence);
    sequence.state = SequenceState::finished;
    finished_.push_back(std::move(sequences_.extract(sequence.id).mapped()));
}

}  // namespace qwend
