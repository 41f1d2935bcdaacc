#pragma once

#include <vector>

#include "gpu/attention/prefill_tiling.h"
#include "gpu/forward.h"
#include "gpu/lanes.h"

namespace qwend {

inline constexpr int kStepsInFlight = 2;

/// A step of the first two is laid out by its kind and number of rows alone: one graph does for
/// all, but for a single row, which takes other kernels while its context is short.
enum class StepKind {
    decode,  // of every sequence one token, which is sampled
    prompt,  // one sequence, sampled after more than one token
    mixed
};

/// Puts a batch where a step finds it: everything the host has to say about one step in one pinned
/// buffer and one copy, at addresses that depend on nothing but the sizes, so that a captured graph
/// finds it again.
class StepStage {
  public:
    /// `decodes`: leading single queries are rows of decode attention; else of prefill attention.
    StepStage(int max_tokens, int max_sequences, int table_width, HeadShape shape, bool decodes);

    struct Staged {
        StepInputs inputs;
        const int32_t* result_slot;  // device: which of the host's result buffers to write
        int n_rows;                  // sampled, without padding
        StepKind kind;
    };
    /// Copies `batch` over, padded to the rows that Forward wants.
    Staged stage(const Batch& batch, Lanes& lanes, int result_slot, cudaStream_t stream);

    /// A step of padding alone, which changes nothing; not of mixed ones.
    Staged stage_padding(int n_tokens, StepKind kind, cudaStream_t stream);

  private:
    struct Sizes {
        int tokens, decode, sampled, tiles;
    };
    /// Of a kind that is not mixed.
    Sizes sizes_of(StepKind kind, int n_tokens) const;
    Staged lay_out(StepKind kind, Sizes sizes) const;
    /// The host's side of what lies at `device`, in the buffer that is this step's.
    template <class T>
    T* host(T* device) const {
        return reinterpret_cast<T*>(base_ + (reinterpret_cast<int32_t*>(device) - device_.get()));
    }
    void fill_padding(const Staged& staged);
    void fill_sequences(const Batch& batch, int n_decode, const Staged& staged);
    void send(const Staged& staged, cudaStream_t stream);

    PrefillTiling tiling_;
    bool decodes_;
    int most_tokens_, most_sampled_;  // rows, padding included
    size_t capacity_;                 // int32 of one buffer
    std::vector<PinnedBuffer<int32_t>> pinned_;
    size_t turn_ = 0;
    int32_t* base_ = nullptr;
    DeviceBuffer<int32_t> device_;
    std::vector<TableUpdate> updates_;
    std::vector<PrefillRun> runs_;
    std::vector<PrefillTile> tiles_;
};

}  // namespace qwend
