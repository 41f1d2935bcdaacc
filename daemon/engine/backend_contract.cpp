#include "daemon/engine/backend_contract.h"

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace qwend {

void check_info(const BackendInfo& info) {
    if (info.block_size <= 0 || info.n_blocks <= 0 || info.max_step_tokens <= 0 ||
        info.max_sequences <= 0 || info.max_steps_in_flight <= 0 || info.n_vocab <= 0 ||
        info.max_samples <= 0)
        throw std::logic_error(fmt::format(
            "the backend offers no KV blocks, tokens, sequences, steps, vocabulary or samples: "
            "block_size {}, n_blocks {}, max_step_tokens {}, max_sequences {}, "
            "max_steps_in_flight {}, n_vocab {}, max_samples {}",
            info.block_size, info.n_blocks, info.max_step_tokens, info.max_sequences,
            info.max_steps_in_flight, info.n_vocab, info.max_samples));
}

size_t count_samples(const Batch& batch) {
    size_t n_samples = 0;
    for (const BatchSequence& sequence : batch.sequences) n_samples += sequence.n_samples();
    return n_samples;
}

void check_samples(size_t n_expected, int n_vocab, const StepResult& result) {
    if (result.samples.size() != n_expected)
        throw BackendFault("the backend sampled " + std::to_string(result.samples.size()) +
                           " tokens where " + std::to_string(n_expected) + " were expected");
    for (const SampledToken& sample : result.samples)
        if (sample.token < kNotANumber || sample.token >= n_vocab)
            throw BackendFault("the backend sampled " + std::to_string(sample.token) +
                               ", which is no token");
}

std::string_view missing_capability(const GenerationRequest& request, const BackendInfo& info) {
    if (request.constraint && !info.vocabulary_masks)
        return "this backend cannot constrain what is generated: it applies no vocabulary masks";
    if (request.drafter && request.drafter->max_drafts >= info.max_samples)
        return "this backend cannot verify as many drafted tokens: it takes too few samples of a "
               "sequence in a step";
    return {};
}

void abandon(std::unique_ptr<Backend> backend) {
    static auto& abandoned = *new std::vector<Backend*>;
    abandoned.push_back(backend.release());
}

}  // namespace qwend
