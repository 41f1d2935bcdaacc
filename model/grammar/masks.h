#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/grammar/automaton.h"
#include "model/grammar/passages.h"
#include "model/grammar/vocabulary.h"

namespace qwend::grammar {

/// Which tokens may come next, in any state of a grammar: those along whose bytes its automaton
/// does not die. One thread at a time.
///
/// Most tokens stay in the language that the text is in, whatever comes behind it: the Passages of
/// a language tell them from those that may leave it, and these alone are walked along the
/// automaton, from what comes behind.
class Masks {
  public:
    /// All outlive this; `common` is of that vocabulary, or nullptr.
    Masks(Automaton& automaton, const Vocabulary& vocabulary, CommonPassages* common = nullptr)
        : automaton_(automaton),
          vocabulary_(vocabulary),
          passages_(automaton.languages(), vocabulary, common) {}

    /// Replaces `mask`, of Vocabulary::n_words() words: a bit an id.
    void fill(StateId state, std::span<uint32_t> mask);
    /// Finds what most masks within strings have in common, so that no step waits for it.
    void prepare() {
        for (const Automaton::Way& way : automaton_.ways_in_strings()) passages_.of(way);
    }
    size_t n_bytes() const { return passages_.n_bytes(); }

  private:
    bool add_way(StateId state, size_t index);
    void add_wide(const Vocabulary::Bits& tokens, uint32_t n_most);
    bool add_exits(const Passage& passage, StateId behind, uint32_t first, uint32_t last);
    bool is_alive_with(StateId state, uint32_t groups);
    void walk(const Vocabulary::Trie& trie, uint32_t begin, uint32_t end, StateId state);
    void allow(int32_t token) { mask_[size_t(token) / 32] |= uint32_t(1) << (token % 32); }

    Automaton& automaton_;
    const Vocabulary& vocabulary_;
    Passages passages_;

    // Of the mask that is being filled.
    std::span<uint32_t> mask_;
    std::vector<Automaton::Way> ways_;
    std::vector<size_t> to_walk_;  // ways
    uint32_t allowed_groups_ = 0;  // all tokens of these alone are allowed already
    uint32_t n_walked_ = 0;        // nodes
};

}  // namespace qwend::grammar
