#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/grammar/grammar.h"
#include "model/grammar/id_table.h"
#include "model/grammar/seen.h"

namespace qwend::grammar {

/// What a text that was read so far may go on with. Two texts that may go on alike have, as a rule,
/// the same state. It is a value: who keeps one can go back to it at any time, and from it along
/// another way.
using StateId = uint32_t;

/// Recognises the texts of a grammar byte by byte, from left to right. From each state but kDead a
/// text of the grammar can be completed.
///
/// A state is a set of ways in which the text could be meant, mostly one; a way is a language in
/// whose middle it is, and a stack of what comes when that has ended. Stacks share their frames and
/// are numbered, and so are states, so that nothing is ever copied. How many items or characters
/// there were stands in a frame or beside the language, and makes no states of its own.
///
/// It grows with what is read, and throws GrammarError where it would grow above a bound. One
/// thread at a time.
class Automaton {
  public:
    static constexpr StateId kDead = 0;
    static constexpr size_t kMaxWays = 512;  // of a state
    /// What a token may add at most: characters of a string; items of a list with separators.
    struct Reach {
        uint32_t characters = 128, items = 16;
    };

    Automaton(Grammar grammar, Reach reach);
    Automaton(Automaton&&) = default;

    StateId start() const { return start_; }
    StateId after(StateId state, uint8_t byte);
    StateId after(StateId state, std::string_view bytes);
    /// The byte that the text has to go on with, unless it ends here; nothing if there may be
    /// several.
    std::optional<uint8_t> only_next_byte(StateId state);
    /// The text may end here.
    bool accepts(StateId state) const { return states_[state].accepts; }
    /// It has to end here.
    bool is_complete(StateId state) const { return accepts(state) && states_[state].n_ways == 0; }

    /// A state that goes on as this one does for as long as one token: counts that are far from
    /// their bounds are as good as others that are. There are few of these, whatever is counted.
    StateId folded(StateId state);
    /// folded(after()) of a state that is folded, noted for the next time.
    StateId folded_after(StateId folded_state, uint8_t byte);
    /// What is noted, by the byte; kUnknownState where nothing is. It stays where it is.
    const StateId* folded_row(StateId folded_state);
    static constexpr StateId kUnknownState = UINT32_MAX;

    /// One of the ways in which a state may be meant: the text goes on with the rest of a language,
    /// and then with what comes behind it.
    struct Way {
        enum class Kind : uint8_t {
            text,     // all of the language
            counted,  // of any number of characters, of which there are some to come yet
            name,     // of a member: it ends as soon as it is one of the language
            other,    // whatever else: the language is not known
        };
        Kind kind = Kind::other;
        bool is_last = false;  // nothing comes behind it
        LanguageId language = Languages::kNothing;
        // Of what is counted: characters that may come, and that have to; of the one in whose
        // middle the text is, CharacterScan::state.
        uint32_t n_left = kUnbounded, n_missing = 0, open = 0;
        // Of a name: those it must not be, and where among them it is so far.
        const KeyTrie* taken = nullptr;
        uint32_t taken_at = KeyTrie::kNowhere;
    };
    /// Replaces `ways`.
    void ways(StateId state, std::vector<Way>& ways) const;
    /// Ways to be in a string, of which a grammar has few.
    std::vector<Way> ways_in_strings();
    /// folded() of what is left to come when the language of that way has ended.
    StateId behind(StateId state, size_t way);
    /// Of some of a state's ways alone, ascending.
    StateId only(StateId state, std::span<const size_t> ways);
    Languages& languages() { return grammar_.languages; }

    size_t n_states() const { return states_.size(); }
    size_t n_bytes() const;

  private:
    using CellId = uint32_t;  // a frame and all below it; 0: none
    struct Cell {
        NodeId node;
        uint32_t at;  // what of the node is done
        CellId parent;
        CellId folded;
        uint32_t depth;
        bool operator==(const Cell&) const = default;
    };
    /// In a language, or in a name of an object's member.
    struct Config {
        NodeId node;        // kNoNode: a language alone
        uint32_t language;  // or a node of a KeyTrie
        uint32_t count;     // characters begun; of another name, the node of the KeyTrie
        CellId cell;        // what comes behind it
        auto operator<=>(const Config&) const = default;
    };
    struct State {
        uint32_t first_way = 0, n_ways = 0;
        bool accepts = false;
        StateId folded = kUnknownState;
        StateId* row = nullptr;  // of rows_
    };
    using Row = std::array<StateId, 256>;
    // Of a way in another name: which of Members::others, beside the node.
    static constexpr uint32_t kOthersShift = 20;
    static constexpr uint32_t kNodeMask = (1 << kOthersShift) - 1;
    CellId push(NodeId node, uint32_t at, CellId parent);
    uint32_t folded_at(NodeId node, uint32_t at) const;
    bool fits(NodeId node, CellId cell) const { return fits_at(node, cells_[cell].depth); }
    bool fits_at(NodeId node, uint32_t depth) const;
    struct Names {
        const KeysBelow* known = nullptr;  // of properties, from the first to the last; or none
        uint32_t first = 0, last = 0;
        bool others = false;
        bool any() const { return known || others; }
    };
    bool leads_nowhere(StateId state, uint8_t byte);
    Names possible_names(const Members& all, uint32_t at, CellId parent) const;
    void begin_member(const Config& way, uint32_t at, NodeId value);
    void begin_other_member(const Config& way);
    void begin_step();
    bool read_within_language(uint8_t byte);
    void take_once(std::vector<Config>& ways) const;
    StateId end_step();
    void add_way(const Config& way);
    void enter(NodeId node, CellId cell);
    void add_language(LanguageId language, CellId cell);
    void enter_item(NodeId id, uint32_t n_done, CellId parent);
    void pop(CellId cell);
    void leave_item(const Cell& frame, bool had_nothing);
    void leave_member(const Cell& frame);
    void enter_names(NodeId id, uint32_t at, CellId parent);
    void enter_members(NodeId id, CellId parent);
    void enter_list(NodeId id, CellId parent);
    bool mix_can_end(const Node& node, uint32_t n, uint32_t n_first, uint32_t depth) const;
    std::array<bool, 2> next_mixed(const Node& node, uint32_t at, CellId parent) const;
    void enter_mix(NodeId id, CellId parent);
    void enter_mixed(NodeId id, uint32_t at, CellId parent);
    void leave_mixed(const Cell& frame);
    void enter_unique(NodeId id, CellId parent);
    bool other_can_come(const Node& node, uint32_t at, CellId parent) const;
    void enter_other(NodeId id, uint32_t at, CellId parent);
    void leave_unique(const Cell& frame);
    void enter_sequence(NodeId id, uint32_t at, CellId parent);
    void add_counted(const Config& way);
    void step(const Config& way, uint8_t byte);
    void step_counted(const Config& way, uint8_t byte);
    void step_name(const Config& way, uint8_t byte);
    void step_other_name(const Config& way, uint8_t byte);
    StateId intern(std::vector<Config>& ways, bool accepts);

    Grammar grammar_;
    const size_t n_grammar_bytes_;
    Reach reach_;
    std::vector<Cell> cells_;
    IdTable cell_ids_;
    std::vector<Config> ways_;
    std::vector<State> states_;
    IdTable state_ids_;
    std::deque<Row> rows_;
    StateId start_ = kDead;

    // Of the step that is being taken.
    std::vector<Config> here_, next_;
    bool next_accepts_ = false;
    std::vector<CellId> pushed_;  // on the way from the byte to here: nothing was read since
    Seen seen_;
    uint32_t n_entered_ = 0;  // nodes, one from within the other
    static constexpr uint32_t kMaxEntered = 4'000;
};

}  // namespace qwend::grammar
