#include "daemon/engine/backend_contract.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace qwend {

void check_info(const BackendInfo& info) {
    if (info.late_masks && !info.vocabulary_masks)
        throw std::logic_error("the backend takes masks late, but none at all");
    if (info.max_vectors < 0 || (info.max_vectors == 0 && !info.samples) ||
        (info.max_vectors > 0 && info.vector_size <= 0))
        throw std::logic_error("the backend offers neither samples nor vectors of any size");
    if (info.max_samples > 1 && info.max_draft_rows < info.max_samples)
        throw std::logic_error("the backend takes several samples, but no steps that have them");
    if (info.block_size <= 0 || info.n_blocks <= 0 || info.max_step_tokens <= 0 ||
        info.max_sequences <= 0 || info.max_steps_in_flight <= 0 || info.n_vocab <= 0 ||
        info.max_samples <= 0 || info.max_scores < 0)
        throw std::logic_error(fmt::format(
            "the backend offers no KV blocks, tokens, sequences, steps, vocabulary or samples: "
            "block_size {}, n_blocks {}, max_step_tokens {}, max_sequences {}, "
            "max_steps_in_flight {}, n_vocab {}, max_samples {}, max_scores {}",
            info.block_size, info.n_blocks, info.max_step_tokens, info.max_sequences,
            info.max_steps_in_flight, info.n_vocab, info.max_samples, info.max_scores));
}

StepCounts count_results(const Batch& batch) {
    StepCounts counts;
    for (const BatchSequence& sequence : batch.sequences)
        counts.n_samples += sequence.n_samples(), counts.n_scores += sequence.n_scores(),
            counts.n_vectors += sequence.n_vectors();
    return counts;
}

void check_result(StepCounts expected, const BackendInfo& info, const StepResult& result) {
    if (result.samples.size() != expected.n_samples)
        throw BackendFault("the backend sampled " + std::to_string(result.samples.size()) +
                           " tokens where " + std::to_string(expected.n_samples) +
                           " were expected");
    if (result.scores.size() != expected.n_scores)
        throw BackendFault("the backend scored " + std::to_string(result.scores.size()) +
                           " tokens where " + std::to_string(expected.n_scores) + " were expected");
    if (const size_t n = expected.n_vectors * size_t(info.vector_size); result.vectors.size() != n)
        throw BackendFault(
            fmt::format("the backend gave {} numbers where {} vectors of {} were "
                        "expected",
                        result.vectors.size(), expected.n_vectors, info.vector_size));
    for (const ScoredToken& score : result.scores)
        if (score.given.token < 0 && score.given.token != kNotANumber)
            throw BackendFault("the backend scored " + std::to_string(score.given.token) +
                               ", which is no token");
    for (const SampledToken& sample : result.samples)
        if (sample.token < kNotANumber || sample.token >= info.n_vocab)
            throw BackendFault("the backend sampled " + std::to_string(sample.token) +
                               ", which is no token");
}

std::string_view missing_capability(const GenerationRequest& request, const BackendInfo& info) {
    if (request.pooling && info.max_vectors == 0) return "this backend makes no vectors of texts";
    if (!request.pooling && !info.samples)
        return "this model makes vectors of texts, and generates none";
    if (request.constraint && !info.vocabulary_masks)
        return "this backend cannot constrain what is generated: it applies no vocabulary masks";
    if (request.drafter && request.drafter->max_drafts >= info.max_samples)
        return "this backend cannot verify as many drafted tokens: it takes too few samples of a "
               "sequence in a step";
    if (request.n_prompt_logprobs >= 0 && info.max_scores == 0)
        return "this backend cannot score a prompt: it has neither prompt_logprobs nor logprobs "
               "of what is echoed";
    return {};
}

void abandon(std::unique_ptr<Backend> backend) {
    static auto& abandoned = *new std::vector<Backend*>;
    abandoned.push_back(backend.release());
}

}  // namespace qwend
