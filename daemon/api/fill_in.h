#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/text/tokenizer.h"

namespace qwend {

/// The tokens between which Qwen2.5 was trained to write what is missing in the middle of a text.
/// Source: Qwen2.5-Coder's technical report, section 3.1.
struct FimTokens {
    int32_t prefix = -1, suffix = -1, middle = -1;
    std::vector<int32_t> ends;  // of the rest that come with them, those that end what is written
};
/// Nothing where the tokenizer does not have all three.
std::optional<FimTokens> fim_tokens(const Tokenizer& tokenizer);

/// A prompt that has a model write what is missing between the two.
std::vector<int32_t> fim_prompt(const FimTokens& tokens, const std::vector<int32_t>& before,
                                const std::vector<int32_t>& after);

}  // namespace qwend
