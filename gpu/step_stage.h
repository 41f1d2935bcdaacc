#pragma once

#include <vector>

#include "gpu/forward.h"
#include "gpu/lanes.h"

namespace qwend {

inline constexpr int kStepsInFlight = 2;

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
        bool is_decode;              // every sequence has one token, and is sampled
    };
    /// Copies `batch` over, padded to the rows that Forward wants.
    Staged stage(const Batch& batch, Lanes& lanes, int result_slot, cudaStream_t stream);

    /// A step of padding alone, which changes nothing: of decode; or of prefill, nothing sampled.
    Staged stage_padding(int n_tokens, bool is_decode, cudaStream_t stream);

    static bool is_decode(const Batch& batch);

  private:
    struct Sizes {
        int tokens, decode, sampled, tiles;
    };
    Staged lay_out(Sizes sizes) const;
    /// The host's side of what lies at `device`, in the buffer that is this step's.
    template <class T>
    T* host(T* device) const {
        return reinterpret_cast<T*>(base_ + (reinterpret_cast<int32_t*>(device) - device_.get()));
    }
    void fill_padding(const Staged& staged);
    void fill_sequences(const Batch& batch, int n_decode, const Staged& staged);
    void send(const Staged& staged, cudaStream_t stream);

    HeadShape shape_;
    bool decodes_;
    size_t capacity_;  // int32 of one buffer
    std::vector<PinnedBuffer<int32_t>> pinned_;
    size_t turn_ = 0;
    int32_t* base_ = nullptr;
    DeviceBuffer<int32_t> device_;
    std::vector<TableUpdate> updates_;
    std::vector<PrefillTile> tiles_;
};

}  // namespace qwend
