#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/grammar/languages.h"
#include "model/grammar/vocabulary.h"

namespace qwend::grammar {

/// Groups of characters of which any text, up to a length, leads from a language to others, and
/// never to nothing: of such tokens nothing else has to be known.
struct Through {
    uint32_t groups = 0;
    uint32_t n_most = kUnbounded;  // characters: one more always leads to nothing
    // Of the languages behind each of these characters: some have the empty text; all of them do.
    bool may_end = false, always_ends = true;
};

/// Finds them. One thread at a time.
class ThroughFinder {
  public:
    /// Both outlive this.
    ThroughFinder(Languages& languages, const Vocabulary& vocabulary)
        : languages_(languages), vocabulary_(vocabulary) {}

    /// No groups where they would not have many tokens, and while there is no work left.
    const Through& of(LanguageId language);
    /// From now on so much more may be done as for one mask.
    void allow_work();
    size_t n_bytes() const { return n_bytes_; }

  private:
    /// What the characters of some groups make of a language.
    struct Behind {
        struct To {
            LanguageId language;
            uint32_t by;  // groups
            auto operator<=>(const To&) const = default;
        };
        uint32_t asked = 0;            // groups
        uint32_t dead = 0, alive = 0;  // those some of which lead to nothing, or elsewhere
        std::vector<To> to;
    };
    static void take_once(std::vector<Behind::To>& to);
    static const Through kNone;
    Through find(LanguageId language);
    uint32_t likely_groups(LanguageId language);
    uint32_t walk(LanguageId language, Through& through);
    const Behind* behind(LanguageId language, uint32_t groups);
    bool is_out_of_work() const { return languages_.work_left() < least_work_; }
    void add_longer(LanguageId language, uint32_t groups, Behind& out);

    Languages& languages_;
    const Vocabulary& vocabulary_;
    std::unordered_map<LanguageId, Through> known_;
    std::unordered_map<LanguageId, Behind> behind_;
    size_t n_bytes_ = 0;
    size_t least_work_ = 0;  // that Languages shall have left
};

}  // namespace qwend::grammar
