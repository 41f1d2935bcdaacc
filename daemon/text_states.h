#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/backend.h"

namespace qwend {

/// Token ids of several texts, each from its beginning on.
using TokenTexts = std::vector<std::vector<int32_t>>;

/// Tokens of each text that a step computes at most.
inline constexpr int kTextPiece = 32;

/// What a backend has to hold for the texts: tokens of its KV cache, and of a step.
int cached_tokens(const TokenTexts& texts, int block_size);
int step_tokens(const TokenTexts& texts);

/// The hidden states after the last norm, of every token: (tokens, hidden) of each text. A step has
/// a piece of every text, so that those are all begun where `goes_on`, asked after each with the
/// share that is done, says no. Throws BackendFault as the backend does.
std::vector<std::vector<float>> text_states(Backend& backend, const TokenTexts& texts,
                                            const std::function<bool(double share)>& goes_on);

}  // namespace qwend
