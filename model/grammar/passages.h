#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "model/grammar/automaton.h"
#include "model/grammar/common_languages.h"
#include "model/grammar/through.h"
#include "model/grammar/vocabulary.h"

namespace qwend::grammar {

/// What the tokens of a vocabulary make of a language that the text is in, whatever comes behind
/// it.
struct Passage {
    struct Token {
        int32_t id;
        uint32_t n_characters;  // begun, as CharacterScan counts; what is not counted has none
    };
    /// A node of `trie` that is the first behind a text of the language.
    struct Exit {
        uint32_t node;
        uint32_t n_characters;  // of that text
    };

    const Vocabulary::Trie* trie = nullptr;  // of all tokens, or of those that are in no slice
    /// Tokens of these groups alone, which have so many characters, are in `wide`.
    uint32_t groups = 0, max_characters = 0;
    /// Of what is counted: of characters behind which no exits are known either.
    uint32_t more_groups = 0;
    /// Tokens that end within the language; of the groups' those that have at most `n_most`
    /// characters, which are taken out of `own` already. What is counted has as many as
    /// Vocabulary::up_to() says. nullptr: none.
    const Vocabulary::Bits* wide = nullptr;
    uint32_t n_most = kUnbounded;
    std::vector<Token> within;  // more of them
    std::vector<Token> at_end;  // those that end with the language, which can't go on
    /// By the byte of the node; none where nothing comes behind the language, or below which all
    /// tokens end within the language anyway.
    std::vector<Exit> exits;
    struct ExitsOfByte {
        uint8_t byte;
        uint32_t first;  // of `exits`; the last one's end is the next one's first
    };
    std::vector<ExitsOfByte> exits_of;  // and one behind the last
    Vocabulary::Bits own;               // what `wide` points to, if it is no slice

    size_t n_bytes() const;
};

/// What tells a way's passage from others.
struct PassageKey {
    Automaton::Way::Kind kind;
    bool is_last;
    LanguageId language;
    uint32_t open;  // or where among the names that are taken
    const KeyTrie* taken;
    bool operator==(const PassageKey&) const = default;
};
struct PassageKeyHash {
    size_t operator()(const PassageKey& key) const;
};

class CommonPassages;

/// Passages that were found, by the language. One thread at a time.
class Passages {
  public:
    /// All outlive this. `common` may be nullptr: then nothing is shared.
    Passages(Languages& languages, const Vocabulary& vocabulary, CommonPassages* common)
        : languages_(languages),
          vocabulary_(vocabulary),
          common_(languages.base() == &common_languages() ? common : nullptr),
          through_(languages, vocabulary) {}

    /// Of a way whose language is known; it stays where it is. Throws GrammarError where finding it
    /// would take too long.
    const Passage& of(const Automaton::Way& way);
    size_t n_bytes() const { return n_bytes_ + through_.n_bytes(); }

  private:
    /// What was read so far of a token.
    struct Place {
        LanguageId language;
        uint32_t
            characters;  // CharacterScan::packed(); of a name, where among those that are taken
    };
    struct Step;
    void find(const Automaton::Way& way, Passage& passage);
    void take_slice(const Automaton::Way& way, Passage& passage);
    template <Automaton::Way::Kind kKind>
    Step step(const Automaton::Way& way, const Place& from, uint8_t byte);
    template <Automaton::Way::Kind kKind>
    void walk(const Automaton::Way& way, Passage& passage);
    bool add_all(const Automaton::Way& way, const Place& from, uint32_t index, Passage& passage);
    void add_exits(Passage& passage, uint32_t node, uint32_t n_characters);
    void sort_exits(Passage& passage);
    void widen(Passage& passage, bool is_counted);

    Languages& languages_;
    const Vocabulary& vocabulary_;
    CommonPassages* const common_;
    struct Found {
        const Passage* passage = nullptr;
        std::unique_ptr<const Passage> own{};  // unless it is common
    };
    std::unordered_map<PassageKey, Found, PassageKeyHash> passages_;
    ThroughFinder through_;
    std::unique_ptr<std::array<Place, Vocabulary::kMaxDepth + 1>> path_;  // to the node looked at
    size_t n_bytes_ = 0;
};

}  // namespace qwend::grammar
