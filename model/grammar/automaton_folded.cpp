// What masks ask of an automaton: states that stand for many, and the ways of one.

#include <algorithm>
#include <optional>
#include <utility>

#include "model/grammar/automaton.h"
#include "model/grammar/character_scan.h"

namespace qwend::grammar {

StateId Automaton::folded(StateId id) {
    if (states_[id].folded != kUnknownState) return states_[id].folded;
    const State state = states_[id];
    std::vector<Config>& ways = next_;
    ways.assign(ways_.begin() + state.first_way, ways_.begin() + state.first_way + state.n_ways);
    for (Config& way : ways) {
        way.cell = cells_[way.cell].folded;
        if (way.node >= kNodeMask) continue;
        const Node& node = grammar_.nodes[way.node];
        if (node.kind != Node::Kind::counted) continue;
        CharacterScan at = CharacterScan::from(way.count);
        const uint32_t reach = reach_.characters;
        if (node.max != kUnbounded && node.max - at.count <= reach) continue;
        if (at.count > node.min)
            at.count = node.min;
        else if (node.min - at.count > reach)
            at.count = 0;
        way.count = at.packed();
    }
    const StateId other = intern(ways, state.accepts);
    states_[other].folded = other;
    return states_[id].folded = other;
}

const StateId* Automaton::folded_row(StateId id) {
    State& state = states_[id];
    if (!state.row) {
        rows_.emplace_back().fill(kUnknownState);
        state.row = rows_.back().data();
    }
    return state.row;
}

StateId Automaton::folded_after(StateId state, uint8_t byte) {
    const StateId known = folded_row(state)[byte];
    if (known != kUnknownState) return known;
    const StateId next = leads_nowhere(state, byte) ? kDead : folded(after(state, byte));
    return states_[state].row[byte] = next;
}

/// What is found out at once, as of most bytes.
bool Automaton::leads_nowhere(StateId state, uint8_t byte) {
    const State& from = states_[state];
    for (uint32_t i = from.first_way; i < from.first_way + from.n_ways; i++) {
        const Config& way = ways_[i];
        const bool is_known_name =
            way.node <= kNodeMask && grammar_.nodes[way.node].kind == Node::Kind::members;
        const bool is_dead =
            is_known_name ? grammar_.members[grammar_.nodes[way.node].index].names.after(
                                way.language, byte) == KeyTrie::kNowhere
                          : grammar_.languages.after(way.language, byte) == Languages::kNothing;
        if (!is_dead) return false;
    }
    return true;
}

std::optional<uint8_t> Automaton::only_next_byte(StateId state) {
    std::optional<uint8_t> only;
    const State from = states_[state];
    for (uint32_t i = from.first_way; i < from.first_way + from.n_ways; i++) {
        const Config way = ways_[i];
        std::optional<uint8_t> next;
        if (way.node <= kNodeMask && grammar_.nodes[way.node].kind == Node::Kind::members) {
            const Members& all = grammar_.members[grammar_.nodes[way.node].index];
            const Cell& frame = cells_[way.cell];
            const Names names = possible_names(all, frame.at, frame.parent);
            size_t n = 0;
            all.names.for_each_byte(way.language, [&](uint8_t byte, uint32_t node) {
                if (names.known && names.known->leads_to(node, names.first, names.last))
                    next = byte, n++;
            });
            if (n != 1) return std::nullopt;
        } else {
            next = grammar_.languages.only_first_byte(way.language);
            if (!next) return std::nullopt;
        }
        if (only && only != next) return std::nullopt;
        only = next;
    }
    return only;
}

void Automaton::ways(StateId state, std::vector<Way>& out) const {
    out.clear();
    const State& from = states_[state];
    for (const Config& way : std::span(ways_).subspan(from.first_way, from.n_ways)) {
        Way& known = out.emplace_back();
        known.language = way.language;
        known.is_last = way.cell == 0;
        if (way.node == kNoNode) {
            known.kind = Way::Kind::text;
        } else if (way.node > kNodeMask) {
            known.kind = Way::Kind::name;
            known.taken = &grammar_.members[grammar_.nodes[way.node & kNodeMask].index].names;
            known.taken_at = way.count;
        } else if (const Node& node = grammar_.nodes[way.node]; node.kind == Node::Kind::counted) {
            const CharacterScan at = CharacterScan::from(way.count);
            known.kind = Way::Kind::counted;
            known.open = at.state;
            if (node.max != kUnbounded) known.n_left = node.max - at.count;
            known.n_missing = node.min - std::min(node.min, at.count);
        } else {
            known.language = Languages::kNothing;
        }
    }
}

std::vector<Automaton::Way> Automaton::ways_in_strings() {
    constexpr size_t kMost = 4;
    std::vector<Way> out;
    for (const Node& node : grammar_.nodes) {
        Way way;
        if (node.kind == Node::Kind::counted) {
            way.kind = Way::Kind::counted;
            way.language = node.language;
        } else if (node.kind == Node::Kind::text) {
            way.kind = Way::Kind::text;
            way.language = grammar_.languages.peek(node.language, '"');
            // A string of any text, and no word.
            if (grammar_.languages.peek(way.language, ' ') != way.language) continue;
        }
        if (way.language == Languages::kNothing ||
            std::ranges::find(out, way.language, &Way::language) != out.end())
            continue;
        out.push_back(way);
        if (out.size() == kMost) break;
    }
    return out;
}

StateId Automaton::behind(StateId state, size_t index) {
    const Config way = ways_[states_[state].first_way + index];
    begin_step();
    if (way.node != kNoNode && way.node > kNodeMask)
        begin_other_member(way);
    else
        pop(way.cell);
    return folded(intern(next_, next_accepts_));
}

StateId Automaton::only(StateId state, std::span<const size_t> ways) {
    here_.clear();
    for (const size_t way : ways) here_.push_back(ways_[states_[state].first_way + way]);
    return intern(here_, false);
}

}  // namespace qwend::grammar
