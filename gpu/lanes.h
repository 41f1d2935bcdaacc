#pragma once

#include <span>
#include <vector>

#include "gpu/cuda.h"
#include "gpu/elementwise/elementwise.h"
#include "gpu/sampling/sample.h"
#include "model/backend.h"

namespace qwend {

/// What the device keeps for each lane from step to step: the block table, the sampling parameters,
/// how often each token occurred, and the token sampled last, which is the next step's input before
/// the host has seen it.
class Lanes {
  public:
    /// `max_logprobs`: places for them that the results of a row have; no lane writes more.
    Lanes(int n_lanes, int table_width, int n_valid_tokens, int max_logprobs);

    /// Appends what differs from what the device has of this sequence's table.
    void update_table(const Batch& batch, const BatchSequence& sequence, int n_blocks,
                      std::vector<TableUpdate>& updates);
    /// Gives the device a sequence's parameters and history, if it is new in its lane, and of the
    /// history what it does not know yet: guesses that were right. To be called for sequences that
    /// are sampled in this step.
    void occupy(const BatchSequence& sequence, const Stream& stream);

    int32_t* block_tables() const { return block_tables_.get(); }
    /// What the device has of a lane's once the updates have reached it, (table_width).
    const int32_t* host_table(int lane) const {
        return host_tables_.data() + size_t(lane) * size_t(table_width_);
    }
    int table_width() const { return table_width_; }
    int max_logprobs() const { return max_logprobs_; }
    int32_t* last_tokens() const { return last_tokens_.get(); }
    LaneSampling* sampling() const { return sampling_.get(); }
    uint16_t* counts() const { return counts_.get(); }

  private:
    static constexpr uint64_t kNobody = ~uint64_t{0};

    void bring_parameters(const BatchSequence& sequence, const Stream& stream);
    void bring_history(std::span<const int32_t> history, const Stream& stream);
    uint16_t* counts_of(int lane) const;

    int table_width_, n_valid_tokens_, max_logprobs_;
    std::vector<int32_t> host_tables_;  // what the device has
    struct Occupant {
        uint64_t run = kNobody;  // BatchSequence::run of who is sampled there
        int n_counted = 0;       // of its output, once the steps in flight are over
    };
    std::vector<Occupant> occupants_;
    DeviceBuffer<int32_t> block_tables_, last_tokens_;
    DeviceBuffer<LaneSampling> sampling_;
    DeviceBuffer<uint16_t> counts_;
    std::vector<DeviceBuffer<int32_t>> lists_;  // by lane; few ever need one
    DeviceBuffer<int32_t> history_;             // on its way
};

}  // namespace qwend
