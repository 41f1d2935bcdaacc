#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/engine/constraint.h"
#include "daemon/engine/kv_blocks.h"
#include "daemon/engine/speculation.h"
#include "model/pooling.h"
#include "model/sampling.h"

namespace qwend {

using SequenceId = uint64_t;

/// The tokens of a prompt. They never change and copies share them, so that the choices of a
/// request cost nothing each, however long their prompt.
class PromptTokens {
  public:
    PromptTokens() = default;
    PromptTokens(std::vector<int32_t> tokens)
        : tokens_(std::make_shared<const std::vector<int32_t>>(std::move(tokens))) {}

    std::span<const int32_t> tokens() const {
        return tokens_ ? std::span(*tokens_) : std::span<const int32_t>();
    }
    size_t size() const { return tokens().size(); }
    bool empty() const { return size() == 0; }

  private:
    std::shared_ptr<const std::vector<int32_t>> tokens_;
};

/// What is wanted of a prompt's final hidden states, rather than that it goes on.
struct PoolingRequest {
    Pooling pooling = Pooling::last;
    int begin = 0;                      // of the prompt's tokens, the first that counts
    std::optional<int32_t> only_token;  // of `each`, those that are this one
};

/// One stream of tokens to generate; a request with n choices is n of these.
struct GenerationRequest {
    SequenceId id = 0;    // chosen by the caller, never used twice
    PromptTokens prompt;  // at least one id
    SamplingParams sampling;
    int max_tokens = 0;      // > 0; prompt + max_tokens <= context, checked by the caller; 0 where
                             // it is pooled
    int priority = 0;        // lower runs first, as in vLLM; ties in order of arrival
    std::string cache_salt;  // separates prefix caches
    int n_choices = 1;       // of its request; a submission has them one after the other
    bool yields = false;  // nobody waits for its next step: its prompt has small steps of its own

    // Ids that were generated already, by a stream that had not ended, fewer than max_tokens, which
    // counts them: it goes on as if it had never been interrupted, and gives only what is new.
    std::vector<int32_t> output;
    bool awaits_last_token = false;        // no token is sampled before the last one was read
    std::optional<Constraint> constraint;  // needs BackendInfo::vocabulary_masks
    std::optional<Drafter> drafter;        // needs 1 + max_drafts BackendInfo::max_samples

    // -1: nothing is said of the prompt; k: its tokens but the first are scored, each with the k
    // likeliest beside it. Needs BackendInfo::max_scores.
    int n_prompt_logprobs = -1;
    std::optional<PoolingRequest> pooling;  // needs BackendInfo::max_vectors
};

enum class FinishReason { none, stop, length, abort, error };

/// What one step did to one sequence.
struct TokenEvent {
    SequenceId id = 0;
    SampledToken sampled;  // token < 0: none, only scores or a finish
    FinishReason finish = FinishReason::none;
    std::string_view error;     // why, if it is the fault of this sequence alone; of static storage
    int n_cached_tokens = 0;    // prompt tokens the prefix cache gave; the same on every event but
                                // one that the engine gives for a sequence that never ran or failed
    double queue_seconds = -1;  // from its submission until it first ran; negative: it never did
    std::vector<ScoredToken> scores;  // of the prompt's next tokens, all of them before any is
                                      // sampled; with them the event has nothing else
    std::vector<float> vectors;       // (n, BackendInfo::vector_size) of what is pooled: the next
                                      // tokens' where each has its own, else one with the end
};

/// waiting → prefill → decode → finished; one that is pooled computes nothing as it decodes, but
/// waits for what is in flight. Prefill and decode may fall back to preempted, which holds no
/// blocks and starts its prefill again, over prompt and output. In any of them but the last, a
/// sequence may be held: it keeps its state, and what it has, but takes part in no step.
enum class SequenceState { waiting, prefill, decode, preempted, finished };

/// When things happened, in seconds of one steady clock; negative: not yet.
struct SequenceTimes {
    double submitted = -1;
    double scheduled = -1;  // first time in a batch
    double first_token = -1;
    double last_token = -1;
};

/// What the choices of one request have come to; the worker's.
struct ChoiceGroup {
    int n_choices = 1;
    int n_finished = 0;
    int most_output = 0;  // tokens of the longest of them
};

/// A request while it is served.
struct Sequence {
    /// `late_masks`: as BackendInfo has it.
    Sequence(GenerationRequest&& request, uint64_t arrival, double now,
             std::shared_ptr<ChoiceGroup> group = nullptr, bool late_masks = false);

    const SequenceId id;
    const SamplingParams sampling;
    const int n_prompt;
    const int max_tokens;
    const int n_to_report;        // leading tokens of the prompt, after which something is said of
                                  // each: of what is pooled, its vector, else the next one's score
    const int n_prompt_logprobs;  // likeliest beside each
    const int priority;
    const bool yields;
    const uint64_t arrival;  // rank in order of submission
    const std::string cache_salt;
    const std::shared_ptr<ChoiceGroup> group;  // nullptr: none was given

    std::vector<int32_t> tokens;  // prompt, then output; of the last n_pending, each is a
                                  // placeholder or, where it was drafted, a guess
    SequenceState state = SequenceState::waiting;
    const bool awaits_last_token;  // never has samples of two steps pending
    bool awaits_drafts = false;  // of those pending some are guesses, or the drafter knows what may
                                 // follow them: they are read before its next step
    bool has_news = false;       // tokens were read since awaits_drafts was found
    bool held = false;
    DraftSource draft_source = DraftSource::repetition;  // of the last guesses
    int n_pending = 0;   // tokens that steps in flight sample: counted, but not known yet
    int n_computed = 0;  // leading tokens whose keys and values are in the table's blocks once the
                         // steps in flight are over
    int n_landed = 0;    // of them, those there already or given by steps that are over
    int n_reported = 0;  // of n_to_report, those of which nothing is said, or it is said already or
                         // in flight
    int n_cached = 0;    // of the prompt, found in the prefix cache when it first ran
    int lane = -1;       // set while it runs
    uint64_t run = 0;    // number of its stay in the lane, never used twice; 0: it never ran
    int n_preemptions = 0;
    BlockTable table;
    SequenceTimes times;

    // While it waits.
    PrefixMatch match;           // what the prefix cache had of it when it was last asked
    Sequence* leader = nullptr;  // runs, and computes a prefix that this one waits for
    int n_shared = 0;            // tokens of that prefix, whole blocks
    // While it runs: those it leads, by n_shared.
    std::set<std::pair<int, Sequence*>> followers;

    // What few have.
    const std::optional<Constraint> constraint;
    const std::optional<Drafter> drafter;
    std::vector<VocabularyMask> masks;  // the constraint's, for the step that is launched
    const std::optional<PoolingRequest> pooling;
    std::vector<float> reduced;  // of what is pooled to one vector, by the steps that are over

    std::span<const int32_t> prompt() const { return std::span(tokens).first(n_prompt); }
    std::span<const int32_t> output() const { return std::span(tokens).subspan(n_prompt); }
    /// The guesses of the step that samples last: they follow what is known.
    std::span<const int32_t> drafts(int n) const { return std::span(tokens).subspan(n_known(), n); }
    int n_output() const { return static_cast<int>(tokens.size()) - n_prompt; }
    int n_known() const { return static_cast<int>(tokens.size()) - n_pending; }
    int n_sampled() const { return n_output() - n_pending; }  // of the output, those that are known
    int n_uncomputed() const { return static_cast<int>(tokens.size()) - n_computed; }
    /// Until then each of its tokens has to be computed, whatever the prefix cache has. The last
    /// one always is.
    bool is_reported() const { return n_reported >= std::min(n_to_report, n_prompt - 1); }
    /// Whether tokens that are computed one by one are reported one by one too.
    bool reports_each() const {
        return !pooling || reduction_of(pooling->pooling) == Reduction::each;
    }

    /// Adds a placeholder, -1, for the token that a step just planned will sample.
    void expect_token();
    /// Puts a sampled token in place of the first pending one and says whether the sequence ends
    /// with it; if so, the pending ones after it are gone. Without a token it ends, and its own
    /// placeholder is gone too: with stop for kNoToken, with error for kNotANumber and where the
    /// constraint asks for more.
    FinishReason settle_token(int32_t token);

  private:
    Completeness completeness() const;
};

/// An event with what every event says of the sequence.
TokenEvent event_of(const Sequence& sequence);

/// The order of service: priority, then arrival.
bool precedes(const Sequence& a, const Sequence& b);

}  // namespace qwend
