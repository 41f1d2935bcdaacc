#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/engine/match_guess.h"
#include "daemon/engine/text_index.h"

namespace qwend {

/// What sequences generated lately, for guesses that another goes on alike: answers to questions
/// that are asked again, boilerplate, code of one house. Sequences of one cache salt see each
/// other's alone. Texts are kept until as many again have come; of at most sixteen salts, those
/// last used. At most 70 MB in all. The engine's worker uses it.
class RecentTexts {
  public:
    /// `row_cost`: what one more token costs of a step's time.
    explicit RecentTexts(float row_cost);
    ~RecentTexts();

    /// Takes in a sequence that has ended, from its n-th token on: what was generated, and a little
    /// before it, by which it is found.
    void add(std::string_view salt, std::span<const int32_t> tokens, size_t n_prompt);
    /// A drafter of a sequence's own; `max_drafts` at a time.
    Drafter drafter(std::string_view salt, int max_drafts);

  private:
    struct Texts;
    Texts& texts_of(std::string_view salt);

    float row_cost_;
    std::list<std::shared_ptr<Texts>> texts_;  // those last used first
};

}  // namespace qwend
