#pragma once

#include <compare>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "gpu/mask_rows.h"
#include "gpu/sampling/score.h"
#include "gpu/step_staging.h"
#include "model/shard.h"

namespace qwend {

/// A step of one kind and number of rows, captured.
class StepGraph {
  public:
    explicit StepGraph(cudaGraph_t graph) {
        CUDA_CHECK(cudaGraphInstantiate(&executable_, graph, 0));
        CUDA_CHECK(cudaGraphDestroy(graph));
    }
    ~StepGraph() {
        if (!device_lost()) cudaGraphExecDestroy(executable_);
    }
    StepGraph(const StepGraph&) = delete;
    StepGraph& operator=(const StepGraph&) = delete;
    void launch(cudaStream_t stream) const { CUDA_CHECK(cudaGraphLaunch(executable_, stream)); }

  private:
    cudaGraphExec_t executable_ = nullptr;
};

/// What the steps of a rank may be.
struct RankLimits {
    int max_step_tokens, max_sequences, max_scores, max_vectors;
    int max_samples;  // of a step; 0: the model has no logits
    int n_blocks;     // of the KV cache
    int max_context;  // tokens
    int n_valid_tokens, max_logprobs;
    bool deterministic;
};

/// One GPU's share of the work: the device, its stream, a shard of the weights, the KV pool, what
/// is kept of each lane, the graphs, and the results of the steps in flight. Everything that
/// belongs to a device is here, so a process may have several. One thread makes and uses it, and
/// the device is that thread's. Errors are those of Backend.
class Rank {
  public:
    /// Loads the shard onto device `index`; `on_progress` gets 0 … 1.
    Rank(const Checkpoint& checkpoint, int index, Shard shard,
         const std::function<void(float)>& on_progress);
    ~Rank();
    Rank(const Rank&) = delete;
    Rank& operator=(const Rank&) = delete;

    /// Makes everything else. Before it there are only the weights, so that the size of the KV pool
    /// can follow from what they left.
    void open(const RankLimits& limits);

    /// As Backend has them, after open().
    void launch(const Batch& batch);
    void give_masks(std::span<const VocabularyMask> masks);
    void collect(StepResult& result);
    bool prepare();

  private:
    struct InFlight {
        int n_rows, n_scores, n_vectors, slot;
        std::vector<int> n_logprobs;        // of each row
        std::vector<int> n_score_logprobs;  // of each score
    };
    struct GraphKey {
        StepKind kind;
        int n_tokens;
        bool one_short_row, shares_prefixes;
        bool samples;  // or else ends with the logits
        auto operator<=>(const GraphKey&) const = default;
    };
    struct Preparation {
        StepKind kind;
        int n_tokens;
        bool samples, shares_prefixes = false;
    };

    static GraphKey key_of(const StepStaging::Staged& staged, bool samples) {
        const StepInputs& in = staged.inputs;
        return {staged.kind, in.n_tokens, in.one_short_row, in.shared.n_items > 0, samples};
    }
    void plan_preparations(const RankLimits& limits);
    void launch_step(const StepStaging::Staged& staged, bool samples);
    void launch_captured(const StepStaging::Staged& staged, bool samples);
    void launch_samples(const StepStaging::Staged& staged, int mask_slot);
    void finish_launch(const StepStaging::Staged& staged);
    void launch_scores(const StepStaging::Staged& staged);
    void launch_vectors(const StepStaging::Staged& staged);
    float* vectors_of(int slot);

    const Device device_;  // the thread's, before anything is allocated
    const Shard shard_;
    Stream stream_;
    const DeviceWeights weights_;

    ForwardState state_{};
    int n_valid_tokens_ = 0;
    std::unique_ptr<Forward> forward_;
    std::unique_ptr<Lanes> lanes_;
    std::unique_ptr<StepStaging> stage_;
    /// What the device writes of the steps in flight; see SampleResults and ScoreResults.
    struct Results {
        size_t rows = 0, max_logprobs = 0;
        PinnedBuffer<int32_t> tokens, top_tokens, ranks;
        PinnedBuffer<float> logprobs, top_logprobs;

        Results() = default;
        Results(int rows, int max_logprobs);
        SampleResults on_device(const int32_t* slot) const;
        /// Row `i` of a slot; only a token where that is a code.
        SampledToken read(int slot, int i, int n_logprobs) const;
    };
    Results sampled_, scored_;
    size_t max_vectors_ = 0;
    PinnedBuffer<float>
        vectors_;  // (slots, max_vectors_, hidden), from the first step that has any

    std::unique_ptr<MaskRows> masks_;
    std::optional<StepStaging::Staged> awaiting_;  // the youngest step, if it has no masks yet

    std::deque<InFlight> in_flight_;
    std::vector<Event> done_;  // by slot
    int next_slot_ = 0;
    std::set<GraphKey> seen_;  // ran once, uncaptured
    std::map<GraphKey, std::unique_ptr<StepGraph>> graphs_;
    std::deque<Preparation> preparations_;
};

}  // namespace qwend
