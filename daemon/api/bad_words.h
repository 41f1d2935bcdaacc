#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/engine/constraint.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// Sequences of ids, none of which may come in an output.
using BannedSequences = std::vector<std::vector<int32_t>>;

/// Words that an answer may not have, as ids.
struct BannedWords {
    std::vector<int32_t> tokens;  // that are a word each
    BannedSequences sequences;    // of two ids or more
};

/// Each word is banned as it is tokenised at the beginning of a text and as it is behind a space,
/// so in the middle of one. As at vLLM, but that has the second only where it is of as many ids as
/// the first. Other ways to spell a word in tokens are not banned. No word is blank.
BannedWords banned_words(const Tokenizer& tokenizer, std::span<const std::string> words);

/// Keeps a sequence's output from completing any of `sequences`: one for each sequence. A mask
/// costs as much as the ids of those that the output ends with the beginning of.
Constraint ban(std::shared_ptr<const BannedSequences> sequences, int n_vocab);

}  // namespace qwend
