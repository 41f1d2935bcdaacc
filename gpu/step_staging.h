#pragma once

#include <vector>

#include "gpu/attention/prefill_tiling.h"
#include "gpu/attention/shared_prefix.h"
#include "gpu/forward.h"
#include "gpu/lanes.h"

namespace qwend {

inline constexpr int kStepsInFlight = 2;

/// A step of the first two kinds is laid out by its kind and number of rows alone, so one captured
/// graph replays all of them. Some have two: a single row takes another kernel while its context is
/// short (StepInputs::one_short_row), and many rows take one more if they share prefixes.
enum class StepKind {
    decode,  // of every sequence its last token, and guesses; after each one is sampled
    prompt,  // one sequence, sampled after more than one token
    mixed    // any other, and whatever has scores or vectors
};

/// What a step may be.
struct StepSizes {
    int max_sequences, max_tokens, max_samples, max_scores, max_vectors;
    int table_width;  // blocks of a lane
};

/// Brings a batch to the device: everything the host has to say about a step goes through one
/// pinned buffer in one copy, to addresses that depend on nothing but the sizes, so that a captured
/// graph finds it there again.
class StepStaging {
  public:
    /// `decodes`: leading sequences whose tokens are all sampled, or only one, are rows of decode
    /// attention; else of prefill attention. `is_causal`: as PrefillAttentionArgs has it.
    /// `least_shared`: see SharedPrefixPlanner.
    StepStaging(const Device& device, const StepSizes& sizes, HeadShape shape, bool decodes,
                bool is_causal, int64_t least_shared = SharedPrefixPlanner::kLeastSavedBytes);

    struct Staged {
        StepInputs inputs;
        const int32_t* result_slot;  // device: which of the host's result buffers to write
        int n_rows, n_scores;        // sampled and scored, without padding; all vectors are real
        StepKind kind;
    };
    /// Copies `batch` over, padded to the rows that Forward wants.
    Staged stage(const Batch& batch, Lanes& lanes, int result_slot, const Stream& stream);

    /// A step of padding alone, which changes nothing; not of mixed ones. `shares`: as if of rows
    /// that share prefixes.
    Staged stage_padding(int n_tokens, StepKind kind, bool shares, const Stream& stream);
    /// Whether a step of decode of so many rows may be one whose rows share prefixes.
    bool may_share(int n_tokens) const;

  private:
    struct Sizes {
        int tokens, decode, sampled, scored, tiles, shared_items, vectors;
    };
    /// Of a kind that is not mixed.
    Sizes sizes_of(StepKind kind, int n_tokens, bool shares) const;
    Staged lay_out(StepKind kind, Sizes sizes) const;
    /// Where, in this step's pinned buffer, that is filled which will lie at `device`.
    template <class T>
    T* host(const T* device) const {
        return reinterpret_cast<T*>(base_ +
                                    (reinterpret_cast<const int32_t*>(device) - buffer_.get()));
    }
    bool decodes(const BatchSequence& sequence) const;
    void fill_padding(const Staged& staged);
    void fill_pooled(const Batch& batch, const Staged& staged);
    void fill_sequences(const Batch& batch, const Lanes& lanes, const Staged& staged);
    bool may_share(int n_tokens, int n_decode) const;
    void fill_shared(const Staged& staged);
    bool plan_sharing(const Batch& batch, const Lanes& lanes, int n_tokens, int n_decode);
    void send(const Staged& staged, const Stream& stream);

    const Device device_;
    PrefillTiling tiling_;
    SharedPrefixPlanner planner_;
    bool decodes_;
    int most_tokens_, most_sampled_, most_scored_;  // rows, padding included
    int most_vectors_;
    size_t capacity_;  // int32 of one buffer
    std::vector<PinnedBuffer<int32_t>> pinned_;
    size_t turn_ = 0;
    int32_t* base_ = nullptr;
    DeviceBuffer<int32_t> buffer_;
    std::vector<TableUpdate> updates_;
    std::vector<PrefillRun> runs_;
    std::vector<PrefillTile> tiles_;
    std::vector<SharingRow> sharing_rows_;
    int n_decode_ = 0;  // rows of decode attention, of the step that is staged
};

}  // namespace qwend
