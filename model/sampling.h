#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace qwend {

/// How the next token is drawn from the logits. The order of operations is vLLM's: bias and masks,
/// penalties, temperature, min-p, top-k, top-p, draw. Checked by the caller; see the ranges.
struct SamplingParams {
    float temperature = 1.0f;         // >= 0; 0 is greedy, ties to the lowest id
    float top_p = 1.0f;               // (0, 1]
    float min_p = 0.0f;               // [0, 1]
    int top_k = 0;                    // 0: all
    float repetition_penalty = 1.0f;  // > 0; over prompt and output
    float presence_penalty = 0.0f;    // [-2, 2]; over output
    float frequency_penalty = 0.0f;   // [-2, 2]; over output
    uint64_t seed = 0;                // Philox key; the counter is the token's index in the output
    // Id and what is added to its logit, -infinity: it may not be sampled. Ids are distinct.
    std::vector<std::pair<int32_t, float>> logit_bias;
    std::vector<int32_t> allowed_token_ids;  // empty: all
    int n_logprobs = -1;  // -1: none; k: the sampled token's and the k likeliest, of the raw logits

    // Ids that may not be sampled before `min_tokens` outputs exist, and that end the sequence
    // when sampled (eos ids unless ignore_eos, and stop_token_ids).
    int min_tokens = 0;
    std::vector<int32_t> stop_token_ids;
};

/// True if it is known before any logits that the first token cannot be sampled: every id that is
/// allowed is a stop id, and it is too early for those, or has a bias of -infinity.
bool masks_everything(const SamplingParams& params);

/// Makes the ids of every list distinct: the last bias of an id counts, as of a JSON object's keys.
/// Backends rely on it.
void make_distinct(SamplingParams& params);

/// A mask over the vocabulary has a bit an id, 1 where it may be sampled: bit id % 32 of word
/// id / 32. Bits past the vocabulary mean nothing.
constexpr size_t mask_words(int n_vocab) {
    return (static_cast<size_t>(n_vocab) + 31) / 32;
}

/// Which ids a sample may be.
struct VocabularyMask {
    const uint32_t* words = nullptr;  // (mask_words(n_vocab)); nullptr: any id
    /// Of what the words say, so that a device may keep them: as long as a backend lives, a number
    /// stands for the same words. 0: these words have none.
    uint64_t id = 0;

    bool allows(int32_t token) const { return !words || (words[token / 32] >> (token % 32) & 1); }
};

struct TokenLogprob {
    int32_t token;
    float logprob;  // natural log
};

/// In place of a token: none may be sampled, since every id is masked. The sequence ends.
inline constexpr int32_t kNoToken = -1;
/// In place of a token: the likeliest logit is not a number, or infinite, or so is the likeliest of
/// the raw logits where logprobs are wanted. A fault of this sequence's numbers, of none beside it.
inline constexpr int32_t kNotANumber = -2;

/// One drawn token.
struct SampledToken {
    int32_t token = kNoToken;  // an id, kNoToken or kNotANumber; nothing else is set for those two
    float logprob = 0;         // set if n_logprobs >= 0
    std::vector<TokenLogprob> top;  // n_logprobs entries, likeliest first, ties to the lowest id
};

/// A token that was given, and what the raw logits of its place say of it.
struct ScoredToken {
    SampledToken given;  // its token is the given one, or kNotANumber: then nothing else is set
    int32_t rank = 0;    // 1: the likeliest; of equals the lowest id is likelier
};

}  // namespace qwend
