#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/load/options.h"

namespace qwend::load {

/// `n` tokens drawn at random, as they stand in a body's JSON: ids with commas between them, or
/// words that are a token each in most vocabularies.
std::string draw_tokens(const LoadOptions& options, int n, std::mt19937_64& random);

/// A conversation under way; of one turn, it is a request and no more. Made before the run, all but
/// the envelope of its first body, so that the run sends and does not draw.
class Conversation {
  public:
    /// What it says is a function of the options, the prefix and the seed.
    Conversation(const LoadOptions& options, std::string_view prefix, uint64_t seed);

    /// The body of the turn that is due.
    std::string body() const;
    /// Goes on to the next turn, which carries the answer of this one: its text as it stood in
    /// JSON, or its ids where those are what is sent. False, and nothing has changed, after the
    /// last turn.
    bool go_on(std::string_view answer);

    int n_turns_left() const { return options_->turns - turn_; }  // with the one that is due
    int output_len() const { return output_len_; }

  private:
    void ask();

    const LoadOptions* options_;
    uint64_t seed_;
    int turn_ = 0, output_len_ = 0;
    uint32_t request_seed_ = 0;
    std::string history_;  // JSON of all that was said, without the brackets or quotes around it
};

/// `n` of them, a function of the options and of `stream`: different streams, and loads of another
/// seed, number or length of prompts, have nothing in common. The prefixes, which are shared in
/// turn, are the same in every stream.
std::vector<Conversation> draw_conversations(const LoadOptions& options, int n, uint64_t stream);

}  // namespace qwend::load
