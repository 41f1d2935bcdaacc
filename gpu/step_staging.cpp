#include "gpu/step_staging.h"

#include <algorithm>
#include <cstring>

namespace qwend {

namespace {

constexpr size_t kHeader = 4;  // n_updates, result slot, two spare: tiles stay aligned

int blocks_of(int n_tokens) {
    return (n_tokens + kBlockTokens - 1) / kBlockTokens;
}

StepKind kind_of(const Batch& batch) {
    const auto& sequences = batch.sequences;
    if (std::any_of(sequences.begin(), sequences.end(),
                    [](const BatchSequence& s) { return s.n_scores() > 0 || s.n_vectors() > 0; }))
        return StepKind::mixed;
    if (std::all_of(sequences.begin(), sequences.end(),
                    [](const BatchSequence& s) { return s.n_query == s.n_samples(); }))
        return StepKind::decode;
    return sequences.size() == 1 && sequences[0].n_samples() == 1 ? StepKind::prompt
                                                                  : StepKind::mixed;
}

}  // namespace

StepStaging::StepStaging(const Device& device, const StepSizes& sizes, HeadShape shape,
                         bool decodes, bool is_causal, int64_t least_shared)
    : device_(device),
      tiling_(shape, prefill_attention(device).tile_rows(shape.head_dim), is_causal),
      planner_(shape, least_shared),
      decodes_(decodes),
      most_tokens_(Forward::padded_rows(sizes.max_tokens)),
      most_sampled_(Forward::padded_rows(sizes.max_samples)),
      most_scored_(Forward::padded_rows(sizes.max_scores)),
      most_vectors_(sizes.max_vectors) {
    const int sequences = Forward::padded_rows(sizes.max_sequences);
    const auto tokens = size_t(most_tokens_), rows = size_t(std::max(most_sampled_, sequences));
    const size_t tiles = size_t(tiling_.capacity(int(tokens), int(rows))) + 1;  // and to align
    const size_t shared = 4 * rows + 5 * size_t(planner_.most_items(int(rows)));
    capacity_ = kHeader + 5 * tokens + 4 * rows + 3 * size_t(most_scored_) + 4 * tiles + shared +
                4 * size_t(most_vectors_) +
                2 * rows * size_t(sizes.table_width);  // every table may change
    buffer_ = DeviceBuffer<int32_t>(capacity_);
    // A step's buffer is free again when the step was collected: one more than are in flight.
    for (int i = 0; i <= kStepsInFlight; i++) pinned_.emplace_back(capacity_);
}

StepStaging::Sizes StepStaging::sizes_of(StepKind kind, int n_tokens, bool shares) const {
    if (kind == StepKind::prompt)
        return {n_tokens, 0, Forward::padded_rows(1), 0, tiling_.most_tiles(n_tokens, 1), 0, 0};
    return {n_tokens, decodes_ ? n_tokens : 0, n_tokens,
            0,        decodes_ ? 0 : n_tokens, shares ? planner_.most_items(n_tokens) : 0,
            0};
}

/// Every step passes here, and no buffer of any kernel has room for more rows.
StepStaging::Staged StepStaging::lay_out(StepKind kind, Sizes n) const {
    if (n.tokens > most_tokens_ || n.sampled > most_sampled_ || n.scored > most_scored_ ||
        n.vectors > most_vectors_)
        device_fault("expected a step of at most " + std::to_string(most_tokens_) +
                     " rows, sampled at most " + std::to_string(most_sampled_) + ", scored " +
                     std::to_string(most_scored_) + ", vectors " + std::to_string(most_vectors_) +
                     ", found " + std::to_string(n.tokens) + ", " + std::to_string(n.sampled) +
                     ", " + std::to_string(n.scored) + " and " + std::to_string(n.vectors));
    Staged staged{};
    staged.kind = kind;
    staged.inputs.samples_in_order = kind == StepKind::decode;
    int32_t* at = buffer_.get();
    staged.inputs.n_updates = at, staged.result_slot = at + 1;
    at += kHeader;
    auto take = [&](int count) { return std::exchange(at, at + count); };
    StepInputs& in = staged.inputs;
    in.n_tokens = n.tokens, in.n_decode = n.decode, in.n_sampled = n.sampled, in.n_tiles = n.tiles;
    in.n_scored = n.scored, in.n_vectors = n.vectors;
    in.tiles = reinterpret_cast<PrefillTile*>(take(4 * n.tiles));
    in.pooled = reinterpret_cast<PooledRows*>(take(4 * n.vectors));
    in.tokens = take(n.tokens), in.positions = take(n.tokens), in.slots = take(n.tokens);
    in.lanes = take(n.decode), in.contexts = take(n.decode);
    if (n.shared_items > 0) {
        const int32_t* order = take(n.decode);
        const auto* prefixes = reinterpret_cast<const RowPrefix*>(take(3 * n.decode));
        const auto* items = reinterpret_cast<const SharedPrefixItem*>(take(5 * n.shared_items));
        in.shared = {order, prefixes, items, n.shared_items};
    }
    in.sampled_tokens = take(n.sampled), in.sampled_lanes = take(n.sampled);
    in.sampled_outputs = take(n.sampled), in.sampled_guesses = take(n.sampled);
    in.scored_tokens = take(n.scored), in.targets = take(n.scored);
    in.n_logprobs = take(n.scored);
    if ((at - buffer_.get()) % 2) at++;  // updates are pairs
    in.updates = reinterpret_cast<TableUpdate*>(at);
    return staged;
}

/// Takes the next buffer and makes all of its rows padding.
void StepStaging::fill_padding(const Staged& staged) {
    base_ = pinned_[turn_++ % pinned_.size()].get();
    const StepInputs& in = staged.inputs;
    const auto* end = reinterpret_cast<const int32_t*>(in.updates);
    std::memset(base_, 0, size_t(end - buffer_.get()) * sizeof(int32_t));
    std::fill_n(host(in.slots), in.n_tokens, -1);
    std::fill_n(host(in.sampled_lanes), in.n_sampled, -1);
    std::fill_n(host(in.targets), in.n_scored, -1);
}

void StepStaging::fill_pooled(const Batch& batch, const Staged& staged) {
    for (const BatchSequence& sequence : batch.sequences) {
        const int n = sequence.n_vectors();
        for (int k = 0; k < n; k++) {
            const int row = sequence.query_begin + sequence.first_pooled + k;
            const int n_rows = sequence.n_pooled / n;  // all for one, or one each
            host(staged.inputs.pooled)[sequence.vector_begin + k] = {
                row, n_rows, int32_t(sequence.reduction), batch.positions[size_t(row)] + 1};
        }
    }
}

void StepStaging::fill_sequences(const Batch& batch, const Lanes& lanes, const Staged& staged) {
    const StepInputs& in = staged.inputs;
    int n_sampled = 0, n_scored = 0;
    for (const BatchSequence& sequence : batch.sequences) {
        const int end = sequence.query_begin + sequence.n_query;
        for (int row = sequence.query_begin; row < std::min(end, n_decode_); row++) {
            host(in.lanes)[row] = sequence.lane;
            host(in.contexts)[row] = sequence.n_context - (end - 1 - row);
        }
        for (int k = 0; k < sequence.n_scores(); k++) {
            host(in.scored_tokens)[n_scored] = sequence.query_begin + sequence.first_scored + k;
            host(in.n_logprobs)[n_scored] =
                std::min(sequence.n_score_logprobs, lanes.max_logprobs());
            host(in.targets)[n_scored++] = sequence.targets[size_t(k)];
        }
        for (int i = 0; i < sequence.n_samples(); i++, n_sampled++) {
            host(in.sampled_tokens)[n_sampled] = end - sequence.n_samples() + i;
            host(in.sampled_lanes)[n_sampled] = sequence.lane;
            host(in.sampled_outputs)[n_sampled] =
                int32_t(sequence.output.size()) - sequence.n_drafts + i;
            host(in.sampled_guesses)[n_sampled] = i;
        }
    }
}

/// Of the plan that was made; the items after its own are padding.
void StepStaging::fill_shared(const Staged& staged) {
    const SharedPrefixes& shared = staged.inputs.shared;
    std::copy(planner_.row_order().begin(), planner_.row_order().end(), host(shared.row_order));
    std::copy(planner_.prefixes().begin(), planner_.prefixes().end(), host(shared.of_row));
    std::copy(planner_.items().begin(), planner_.items().end(), host(shared.items));
}

bool StepStaging::may_share(int n_tokens) const {
    return may_share(n_tokens, decodes_ ? n_tokens : 0);
}
bool StepStaging::may_share(int n_tokens, int n_decode) const {
    return 0 < n_decode && n_decode <= most_sampled_ && !splits_kv(device_, n_tokens);
}

/// Whether the rows of decode attention, `n_decode` with padding, share enough. Tables were
/// updated.
bool StepStaging::plan_sharing(const Batch& batch, const Lanes& lanes, int n_tokens, int n_decode) {
    if (!may_share(n_tokens, n_decode)) return false;
    sharing_rows_.clear();
    for (const BatchSequence& s : batch.sequences)
        for (int i = 0; i < s.n_query && int(sharing_rows_.size()) < n_decode_; i++)
            sharing_rows_.push_back(
                {s.lane, lanes.host_table(s.lane), old_tiles(s.n_context - (s.n_query - 1 - i))});
    return planner_.plan(sharing_rows_, n_decode);
}

void StepStaging::send(const Staged& staged, const Stream& stream) {
    const auto* updates = reinterpret_cast<const int32_t*>(staged.inputs.updates);
    const size_t n_fixed = size_t(updates - buffer_.get());
    base_[0] = int32_t(updates_.size());
    std::memcpy(base_ + n_fixed, updates_.data(), updates_.size() * sizeof(TableUpdate));
    CUDA_CHECK(cudaMemcpyAsync(buffer_.get(), base_,
                               n_fixed * sizeof(int32_t) + updates_.size() * sizeof(TableUpdate),
                               cudaMemcpyHostToDevice, stream));
}

/// A row of decode attention each.
bool StepStaging::decodes(const BatchSequence& sequence) const {
    return decodes_ && (sequence.n_query == 1 || sequence.n_query == sequence.n_samples());
}

StepStaging::Staged StepStaging::stage(const Batch& batch, Lanes& lanes, int result_slot,
                                       const Stream& stream) {
    const int n_tokens = int(batch.tokens.size());
    int n_sampled = 0, n_scored = 0, n_vectors = 0;
    n_decode_ = 0;
    updates_.clear(), runs_.clear();
    for (const BatchSequence& s : batch.sequences) {
        n_sampled += s.n_samples(), n_scored += s.n_scores(), n_vectors += s.n_vectors();
        lanes.update_table(batch, s, blocks_of(s.n_context), updates_);
        if (n_decode_ == s.query_begin && decodes(s))
            n_decode_ += s.n_query;
        else
            runs_.push_back({s.query_begin, s.n_query, s.n_context - s.n_query, s.lane});
    }
    const int padded = Forward::padded_rows(n_tokens);
    tiling_.cut(runs_, padded, tiles_);
    const StepKind kind = kind_of(batch);
    Sizes sizes{padded,
                n_decode_,
                Forward::padded_rows(n_sampled),
                Forward::padded_rows(n_scored),
                int(tiles_.size()),
                0,
                n_vectors};
    if (kind != StepKind::mixed) sizes = sizes_of(kind, padded, false);
    const bool shares = plan_sharing(batch, lanes, padded, sizes.decode);
    if (shares) sizes.shared_items = planner_.most_items(sizes.decode);
    Staged staged = lay_out(kind, sizes);
    staged.n_rows = n_sampled, staged.n_scores = n_scored;
    fill_padding(staged);
    base_[1] = result_slot;
    std::copy(tiles_.begin(), tiles_.end(), host(staged.inputs.tiles));
    std::copy(batch.tokens.begin(), batch.tokens.end(), host(staged.inputs.tokens));
    std::copy(batch.positions.begin(), batch.positions.end(), host(staged.inputs.positions));
    std::copy(batch.slots.begin(), batch.slots.end(), host(staged.inputs.slots));
    fill_sequences(batch, lanes, staged);
    fill_pooled(batch, staged);
    if (shares) fill_shared(staged);
    staged.inputs.one_short_row =
        padded == 1 && n_decode_ == 1 && batch.sequences[0].n_context <= kKvSplitTokens;
    send(staged, stream);
    return staged;
}

StepStaging::Staged StepStaging::stage_padding(int n_tokens, StepKind kind, bool shares,
                                               const Stream& stream) {
    updates_.clear();
    Staged staged = lay_out(kind, sizes_of(kind, n_tokens, shares));
    fill_padding(staged);
    staged.inputs.one_short_row = staged.inputs.n_tokens == 1 && staged.inputs.n_decode == 1;
    send(staged, stream);
    return staged;
}

}  // namespace qwend
