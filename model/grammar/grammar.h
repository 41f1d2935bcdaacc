#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/grammar/common_languages.h"
#include "model/grammar/key_trie.h"
#include "model/grammar/languages.h"

namespace qwend::grammar {

using NodeId = uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

/// The members of an object, without its braces: those of known names in their order, any of them
/// left out that is not required, then any number of others. No name comes twice in what is known.
struct Members {
    struct Property {
        NodeId value = kNoNode;  // with what comes between name and value
        bool required = false;
    };
    struct Others {
        LanguageId name = Languages::kNothing;  // with its quotes; the known names are taken out
        NodeId value = kNoNode;                 // as above
    };
    std::vector<Property> properties;
    KeyTrie names;  // with their quotes, as json_body() spells them, numbered as the properties are
    std::vector<Others> others;  // those without a name are taken out by finish()
    LanguageId separator = Languages::kNothing;
    // Of members. Of all others together one counts to the minimum, since they may be one name
    // again and again.
    uint32_t min = 0, max = kUnbounded;
    // Found by finish(), for each property and behind the last: the next one that is required, or
    // the number of properties; how many are from there on.
    std::vector<uint32_t> next_required, n_required;
    /// Properties that may come at all.
    struct Offer {
        KeysBelow names;
        std::vector<uint32_t> n_from;  // how many may come from each on, and behind the last
        uint32_t depth = 0;            // of the deepest value
    };
    // Those that have a value; and, where only values as shallow as possible fit, those that are
    // enough for a text (the same as `all` if that has no names).
    Offer all, shallow;
    uint32_t others_depth = kUnbounded;  // of the shallowest value of others

    static constexpr uint32_t kMaxProperties = 30'000;
    static constexpr uint32_t kMaxOthers = 1'000;
    static constexpr uint32_t kMaxCount = 16'000;  // of `min`, and of `max` unless unbounded
};

/// What a text may be: nodes that refer to each other, also in circles.
struct Node {
    enum class Kind : uint8_t {
        undefined,
        text,      // one of `language`
        counted,   // the same, of `min` to `max` characters of a JSON string's body: any number
                   // of some characters
        sequence,  // parts, one after the other
        choice,    // one of them
        list,    // `min` to `max` of: the parts but the last, in order, then the last any number of
                 // times; between them the separator, kEmpty or without the empty text
        mix,     // `min` to `max` items, each parts[0] or parts[1], and `min_first` to `max_first`
                 // of them parts[0]; between them the separator, without the empty text
        unique,  // `min` to `max` of the parts, each at most once, in any order; the separator
                 // likewise
        members,  // Grammar::members[index]
    };
    Kind kind = Kind::undefined;
    LanguageId language = Languages::kNothing;  // or the separator; kEmpty: none
    std::vector<NodeId> parts;                  // of a list the last may be kNoNode: no more
    uint32_t min = 0, max = kUnbounded;
    uint32_t min_first = 0, max_first = kUnbounded;
    uint32_t index = 0;
    /// Frames of the stack that the shallowest of its texts needs, found by finish(); kUnbounded:
    /// it has no text.
    uint32_t depth = kUnbounded;

    // Of a mix: bounds of each count, unless there is no maximum. Of parts that are unique.
    static constexpr uint32_t kMaxMixed = 16'000, kMaxUnique = 30;
};

/// What is made of a schema, a regular expression or a grammar. Copies are independent.
struct Grammar {
    Languages languages{&common_languages()};
    std::vector<Node> nodes;
    std::vector<Members> members;
    NodeId root = kNoNode;

    /// What a text may nest; whatever would nest deeper is not begun.
    static constexpr uint32_t kMaxDepth = 400;

    NodeId add(Node node);
    NodeId text(LanguageId language);
    NodeId sequence(std::vector<NodeId> parts);
    NodeId choice(std::vector<NodeId> parts);
    /// To be called when all is defined; throws GrammarError if there is no text at all.
    void finish();
    /// Of nodes and members, about, which are what they are from then on; without `languages`.
    size_t n_bytes() const;

  private:
    void prepare(Members& all, uint32_t depth);
    Members::Offer offer(const Members& all, uint32_t depth, bool all_of_them) const;
    uint32_t depth_of(const Node& node) const;
    uint32_t depth_of_mix(const Node& node) const;
    uint32_t depth_of_unique(const Node& node) const;
    uint32_t depth_of(const Members& members) const;
};

}  // namespace qwend::grammar
