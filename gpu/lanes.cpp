#include "gpu/lanes.h"

#include <algorithm>
#include <bit>

namespace qwend {

namespace {

bool has_penalties(const SamplingParams& p) {
    return p.repetition_penalty != 1 || p.presence_penalty != 0 || p.frequency_penalty != 0;
}

}  // namespace

Lanes::Lanes(int n_lanes, int table_width, int n_valid_tokens, int max_logprobs)
    : table_width_(table_width),
      n_valid_tokens_(n_valid_tokens),
      max_logprobs_(max_logprobs),
      host_tables_(size_t(n_lanes) * size_t(table_width), 0),
      occupants_(size_t(n_lanes)),
      block_tables_(host_tables_.size()),
      last_tokens_(size_t(n_lanes)),
      sampling_(size_t(n_lanes)),
      counts_(size_t(n_lanes) * size_t(count_stride(n_valid_tokens))),
      lists_(size_t(n_lanes)) {
    CUDA_CHECK(cudaMemset(block_tables_.get(), 0, block_tables_.n_bytes()));
    CUDA_CHECK(cudaMemset(last_tokens_.get(), 0, last_tokens_.n_bytes()));
    CUDA_CHECK(cudaMemset(sampling_.get(), 0, sampling_.n_bytes()));
    // occupy() copies on a stream that does not wait for these.
    CUDA_CHECK(cudaDeviceSynchronize());
}

void Lanes::update_table(const Batch& batch, const BatchSequence& sequence, int n_blocks,
                         std::vector<TableUpdate>& updates) {
    const size_t begin = size_t(sequence.lane) * size_t(table_width_);
    const int32_t* wanted = batch.block_tables.data() + sequence.block_table_begin;
    for (size_t i = 0; i < size_t(n_blocks); i++)
        if (host_tables_[begin + i] != wanted[i]) {
            host_tables_[begin + i] = wanted[i];
            updates.push_back({int32_t(begin + i), wanted[i]});
        }
}

uint16_t* Lanes::counts_of(int lane) const {
    return counts_.get() + size_t(lane) * size_t(count_stride(n_valid_tokens_));
}

void Lanes::occupy(const BatchSequence& sequence, const Stream& stream) {
    const bool counts = has_penalties(*sequence.sampling);
    const auto known = sequence.output.first(sequence.output.size() - size_t(sequence.n_drafts));
    Occupant& occupant = occupants_[size_t(sequence.lane)];
    if (occupant.run != sequence.run) {
        bring_parameters(sequence, stream);
        if (counts) {
            std::vector<int32_t> history(sequence.prompt.begin(), sequence.prompt.end());
            history.insert(history.end(), known.begin(), known.end());
            bring_history(history, stream);
            reset_counts(counts_of(sequence.lane), n_valid_tokens_, history_.get(),
                         int(sequence.prompt.size()), int(history.size()), stream);
        }
    } else if (counts && size_t(occupant.n_counted) < known.size()) {
        const auto guessed = known.subspan(size_t(occupant.n_counted));
        bring_history(guessed, stream);
        add_counts(counts_of(sequence.lane), n_valid_tokens_, history_.get(), int(guessed.size()),
                   stream);
    }
    // The kernel counts a sample that is alone.
    occupant = {sequence.run, int(known.size()) + (sequence.n_drafts == 0)};
}

void Lanes::bring_parameters(const BatchSequence& sequence, const Stream& stream) {
    const size_t lane = size_t(sequence.lane);
    const SamplingParams& p = *sequence.sampling;
    LaneSampling s{};
    s.temperature = p.temperature, s.top_p = p.top_p, s.min_p = p.min_p, s.top_k = p.top_k;
    s.repetition_penalty = p.repetition_penalty, s.presence_penalty = p.presence_penalty;
    s.frequency_penalty = p.frequency_penalty;
    s.n_logprobs = std::min(p.n_logprobs, max_logprobs_), s.seed = p.seed;
    s.min_tokens = p.min_tokens;
    s.has_penalties = has_penalties(p);

    // Copies from pageable memory are staged before the call returns, so the vectors may go.
    std::vector<int32_t> lists;
    for (auto [id, value] : p.logit_bias) lists.push_back(id);
    for (auto [id, value] : p.logit_bias) lists.push_back(std::bit_cast<int32_t>(value));
    lists.insert(lists.end(), p.allowed_token_ids.begin(), p.allowed_token_ids.end());
    s.n_bias = int32_t(p.logit_bias.size()), s.n_allowed = int32_t(p.allowed_token_ids.size());
    if (size_t(p.min_tokens) > sequence.output.size() - size_t(sequence.n_drafts)) {
        lists.insert(lists.end(), p.stop_token_ids.begin(), p.stop_token_ids.end());
        s.n_stop = int32_t(p.stop_token_ids.size());
    }
    if (!lists.empty()) {
        if (lists_[lane].size() < lists.size()) lists_[lane] = DeviceBuffer<int32_t>(lists.size());
        CUDA_CHECK(cudaMemcpyAsync(lists_[lane].get(), lists.data(), lists.size() * sizeof(int32_t),
                                   cudaMemcpyHostToDevice, stream));
    }
    s.lists = lists_[lane].get();
    CUDA_CHECK(
        cudaMemcpyAsync(&sampling_.get()[lane], &s, sizeof s, cudaMemcpyHostToDevice, stream));
}

/// To history_.
void Lanes::bring_history(std::span<const int32_t> history, const Stream& stream) {
    if (history_.size() < history.size()) {
        CUDA_CHECK(cudaStreamSynchronize(stream));  // the old one may be in use
        history_ = DeviceBuffer<int32_t>(std::max(history.size(), 2 * history_.size()));
    }
    CUDA_CHECK(cudaMemcpyAsync(history_.get(), history.data(), history.size_bytes(),
                               cudaMemcpyHostToDevice, stream));
}

}  // namespace qwend
