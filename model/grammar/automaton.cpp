#include "model/grammar/automaton.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/grammar/character_scan.h"

namespace qwend::grammar {

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

/// Of a frame of members: where among the names the next one may be, and how many there were, as
/// far as that matters.
struct MembersAt {
    uint32_t next = 0, count = 0;
    bool in_separator = false, in_others = false;

    static MembersAt from(uint32_t at) {
        return {at & 0x7FFF, at >> 15 & 0x3FFF, (at >> 29 & 1) != 0, (at >> 30 & 1) != 0};
    }
    uint32_t packed() const {
        return next | count << 15 | uint32_t(in_separator) << 29 | uint32_t(in_others) << 30;
    }
};

}  // namespace

Automaton::Automaton(Grammar grammar, Reach reach)
    : grammar_(std::move(grammar)), n_grammar_bytes_(grammar_.n_bytes()), reach_(reach) {
    if (grammar_.nodes.size() > kNodeMask)
        throw GrammarError("the grammar has more than " + std::to_string(kNodeMask) + " parts");
    cells_.push_back({});
    states_.push_back({});  // kDead
    states_[kDead].folded = kDead;
    begin_step();
    enter(grammar_.root, 0);
    start_ = intern(next_, next_accepts_);
}

Automaton::CellId Automaton::push(NodeId node, uint32_t at, CellId parent) {
    Cell cell{node, at, parent, 0, 0};
    const uint64_t hash = mix(mix(mix(0, node), at), parent);
    const uint32_t known = cell_ids_.find(hash, [&](CellId id) {
        const Cell& other = cells_[id];
        return other.node == node && other.at == at && other.parent == parent;
    });
    if (known != IdTable::kNone) return known;
    const uint32_t other_at = folded_at(node, at);
    const CellId other_parent = cells_[parent].folded;
    const bool is_folded = other_at == at && other_parent == parent;
    const CellId folded = is_folded ? CellId(cells_.size()) : push(node, other_at, other_parent);
    const auto id = CellId(cells_.size());
    cell_ids_.add(hash, id);
    cell.folded = is_folded ? id : folded;
    cell.depth = cells_[parent].depth + 1;
    cells_.push_back(cell);
    return id;
}

bool Automaton::fits_at(NodeId node, uint32_t depth) const {
    const uint32_t own = grammar_.nodes[node].depth;
    return own <= Grammar::kMaxDepth && depth + own <= Grammar::kMaxDepth;
}

void Automaton::begin_step() {
    next_.clear();
    next_accepts_ = false;
    pushed_.clear();
    seen_.clear();
    n_entered_ = 0;
}

void Automaton::add_way(const Config& way) {
    next_.push_back(way);
    if (next_.size() > 16 * kMaxWays)
        throw GrammarError("the grammar is too ambiguous: a text may be meant in more than " +
                           std::to_string(kMaxWays) + " ways");
}

void Automaton::enter(NodeId id, CellId cell) {
    if (!fits(id, cell)) return;
    const Node& node = grammar_.nodes[id];
    if (!seen_.add(uint64_t(id) << 32 | cell)) return;
    if (++n_entered_ > kMaxEntered)
        throw GrammarError("more than " + std::to_string(kMaxEntered) +
                           " parts of the grammar begin within each other at the same place");
    switch (node.kind) {
        case Node::Kind::undefined:
            break;
        case Node::Kind::text:
            add_language(node.language, cell);
            break;
        case Node::Kind::counted:
            add_counted({id, node.language, 0, cell});
            break;
        case Node::Kind::sequence:
            enter_sequence(id, 0, cell);
            break;
        case Node::Kind::choice:
            for (size_t i = 0; i < node.parts.size(); i++) enter(node.parts[i], cell);
            break;
        case Node::Kind::list:
            enter_list(id, cell);
            break;
        case Node::Kind::mix:
            enter_mix(id, cell);
            break;
        case Node::Kind::unique:
            enter_unique(id, cell);
            break;
        case Node::Kind::members:
            enter_members(id, cell);
            break;
    }
    n_entered_--;
}

void Automaton::add_language(LanguageId language, CellId cell) {
    if (language == Languages::kNothing) return;
    if (language != Languages::kEmpty) add_way({kNoNode, language, 0, cell});
    if (grammar_.languages.has_empty(language)) pop(cell);
}

void Automaton::add_counted(const Config& way) {
    const Node& node = grammar_.nodes[way.node];
    const CharacterScan at = CharacterScan::from(way.count);
    if (at.state == 0 && at.count >= node.min && grammar_.languages.has_empty(way.language))
        pop(way.cell);
    if (at.state != 0 || at.count < node.max) add_way(way);
}

void Automaton::enter_sequence(NodeId id, uint32_t at, CellId parent) {
    const Node& node = grammar_.nodes[id];
    if (at >= node.parts.size()) return pop(parent);
    // The last part needs no frame, so that what recurs at its end stays flat.
    if (at + 1 == node.parts.size()) return enter(node.parts[at], parent);
    const CellId frame = push(id, at + 1, parent);
    pushed_.push_back(frame);
    enter(node.parts[at], frame);
    pushed_.pop_back();
}

Automaton::Names Automaton::possible_names(const Members& all, uint32_t packed,
                                           CellId parent) const {
    const MembersAt at = MembersAt::from(packed);
    Names names;
    if (at.count >= all.max) return names;
    const auto n = uint32_t(all.properties.size());
    const uint32_t required = all.next_required[at.next];
    const uint32_t depth = cells_[parent].depth + 1;
    const bool others_fit =
        all.others_depth != kUnbounded && depth + all.others_depth <= Grammar::kMaxDepth;
    names.others = others_fit && required == n && (at.in_others || at.count + 1 >= all.min);
    if (at.next == n) return names;

    const bool is_deep = depth + all.all.depth > Grammar::kMaxDepth;
    const Members::Offer& offer = is_deep ? all.shallow : all.all;
    names.first = at.next, names.last = std::min(required, n - 1);
    if (at.count + all.n_required[at.next] == all.max) {
        names.first = required;  // there is no room for others
    } else {
        // Those from the next one on have to be enough for the minimum.
        const uint32_t n_others = at.count + others_fit;
        const uint32_t enough = all.min > n_others ? all.min - n_others : 0;
        const auto from = offer.n_from.begin();
        names.last =
            uint32_t(std::partition_point(from + names.first, from + names.last + 1,
                                          [&](uint32_t n_left) { return n_left >= enough; }) -
                     from);
        if (names.last-- == names.first) return names;
    }
    if (offer.names.leads_to(KeyTrie::kRoot, names.first, names.last)) names.known = &offer.names;
    return names;
}

void Automaton::enter_members(NodeId id, CellId parent) {
    const Members& all = grammar_.members[grammar_.nodes[id].index];
    if (all.min == 0 && all.next_required[0] == all.properties.size()) pop(parent);
    enter_names(id, 0, parent);
}

void Automaton::enter_names(NodeId id, uint32_t at, CellId parent) {
    const Members& all = grammar_.members[grammar_.nodes[id].index];
    const Names names = possible_names(all, at, parent);
    if (!names.any()) return;
    const CellId frame = push(id, at, parent);
    if (names.known) add_way({id, KeyTrie::kRoot, 0, frame});
    if (!names.others) return;
    for (size_t i = 0; i < all.others.size(); i++)
        if (fits(all.others[i].value, frame))
            add_way(
                {id | uint32_t(i + 1) << kOthersShift, all.others[i].name, KeyTrie::kRoot, frame});
}

/// A member has ended, or the separator behind it.
void Automaton::leave_member(const Cell& frame) {
    MembersAt at = MembersAt::from(frame.at);
    const Members& all = grammar_.members[grammar_.nodes[frame.node].index];
    if (at.in_separator) {
        at.in_separator = false;
        return enter_names(frame.node, at.packed(), frame.parent);
    }
    if (at.count >= all.min && all.next_required[at.next] == all.properties.size())
        pop(frame.parent);
    if (!possible_names(all, at.packed(), frame.parent).any()) return;
    at.in_separator = true;
    add_language(all.separator, push(frame.node, at.packed(), frame.parent));
}

/// What was begun last has ended: goes on with what comes behind it.
void Automaton::pop(CellId cell) {
    if (cell == 0) {
        next_accepts_ = true;
        return;
    }
    const bool was_empty = std::ranges::find(pushed_, cell) != pushed_.end();
    if (!seen_.add(uint64_t(kNoNode - was_empty) << 32 | cell)) return;
    const Cell frame = cells_[cell];
    switch (grammar_.nodes[frame.node].kind) {
        case Node::Kind::sequence:
            return enter_sequence(frame.node, frame.at, frame.parent);
        case Node::Kind::list:
            return leave_item(frame, was_empty);
        case Node::Kind::mix:
            return leave_mixed(frame);
        case Node::Kind::unique:
            return leave_unique(frame);
        case Node::Kind::members:
            return leave_member(frame);
        default:
            return;
    }
}

void Automaton::step(const Config& way, uint8_t byte) {
    if (way.node == kNoNode)
        add_language(grammar_.languages.after(way.language, byte), way.cell);
    else if (grammar_.nodes[way.node & kNodeMask].kind == Node::Kind::counted)
        step_counted(way, byte);
    else if (way.node <= kNodeMask)
        step_name(way, byte);
    else
        step_other_name(way, byte);
}

void Automaton::step_counted(const Config& way, uint8_t byte) {
    Config next = way;
    next.language = grammar_.languages.after(way.language, byte);
    if (next.language == Languages::kNothing) return;
    CharacterScan at = CharacterScan::from(way.count);
    at.read(byte);
    const Node& node = grammar_.nodes[way.node];
    if (node.max == kUnbounded) at.count = std::min(at.count, node.min);
    next.count = at.packed();
    add_counted(next);
}

void Automaton::step_name(const Config& way, uint8_t byte) {
    const Members& all = grammar_.members[grammar_.nodes[way.node].index];
    const Cell frame = cells_[way.cell];
    const Names names = possible_names(all, frame.at, frame.parent);
    Config next = way;
    next.language = all.names.after(way.language, byte);
    if (!names.known || next.language == KeyTrie::kNowhere ||
        !names.known->leads_to(next.language, names.first, names.last))
        return;
    const uint32_t key = all.names.key(next.language);
    if (key == KeyTrie::kNoKey) return add_way(next);
    MembersAt at = MembersAt::from(frame.at);
    at.next = key + 1;
    begin_member(way, at.packed(), all.properties[key].value);
}

void Automaton::step_other_name(const Config& way, uint8_t byte) {
    const NodeId id = way.node & kNodeMask;
    const Members& all = grammar_.members[grammar_.nodes[id].index];
    Config next = way;
    next.language = grammar_.languages.after(way.language, byte);
    if (next.language == Languages::kNothing) return;
    if (next.count != KeyTrie::kNowhere) next.count = all.names.after(next.count, byte);
    if (!grammar_.languages.has_empty(next.language)) return add_way(next);
    if (next.count != KeyTrie::kNowhere && all.names.key(next.count) != KeyTrie::kNoKey) return;
    begin_other_member(way);
}

void Automaton::begin_other_member(const Config& way) {
    const Members& all = grammar_.members[grammar_.nodes[way.node & kNodeMask].index];
    MembersAt at = MembersAt::from(cells_[way.cell].at);
    at.next = uint32_t(all.properties.size());
    at.in_others = true;
    begin_member(way, at.packed(), all.others[(way.node >> kOthersShift) - 1].value);
}

/// Its name has ended; `at` says where the next one may be.
void Automaton::begin_member(const Config& way, uint32_t packed, NodeId value) {
    const NodeId id = way.node & kNodeMask;
    const Members& all = grammar_.members[grammar_.nodes[id].index];
    MembersAt at = MembersAt::from(packed);
    const uint32_t enough = all.max == kUnbounded ? std::max(all.min, 1u) : all.max;
    at.count = std::min(at.count + 1, enough);
    enter(value, push(id, at.packed(), cells_[way.cell].parent));
}

StateId Automaton::after(StateId state, uint8_t byte) {
    begin_step();
    const State from = states_[state];
    for (uint32_t i = 0; i < from.n_ways; i++) {
        const Config way = ways_[from.first_way + i];
        step(way, byte);
    }
    return intern(next_, next_accepts_);
}

/// States are made of the last byte alone: nobody asks for those between.
StateId Automaton::after(StateId state, std::string_view bytes) {
    if (bytes.empty()) return state;
    const State from = states_[state];
    here_.assign(ways_.begin() + from.first_way, ways_.begin() + from.first_way + from.n_ways);
    for (const char c : bytes) {
        if (read_within_language(uint8_t(c))) continue;
        begin_step();
        for (size_t i = 0; i < here_.size(); i++) step(Config(here_[i]), uint8_t(c));
        if (next_.size() > 1) take_once(next_);
        std::swap(here_, next_);
        if (here_.empty() && !next_accepts_) return kDead;
    }
    return intern(here_, next_accepts_);
}

/// Reads a byte if it leads from the middle of one language to the middle of one, as most do.
bool Automaton::read_within_language(uint8_t byte) {
    if (here_.size() != 1 || here_[0].node != kNoNode) return false;
    const LanguageId to = grammar_.languages.after(here_[0].language, byte);
    if (to == Languages::kNothing || grammar_.languages.has_empty(to)) return false;
    here_[0].language = to;
    next_accepts_ = false;
    return true;
}

void Automaton::take_once(std::vector<Config>& ways) const {
    std::ranges::sort(ways);
    ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
    if (ways.size() > kMaxWays)
        throw GrammarError("the grammar is too ambiguous: a text may be meant in more than " +
                           std::to_string(kMaxWays) + " ways");
}

StateId Automaton::intern(std::vector<Config>& ways, bool accepts) {
    if (ways.empty() && !accepts) return kDead;
    if (ways.size() > 1) take_once(ways);
    uint64_t hash = accepts;
    for (const Config& way : ways)
        hash = mix(mix(mix(mix(hash, way.node), way.language), way.count), way.cell);
    const uint32_t known = state_ids_.find(hash, [&](StateId other) {
        const State& state = states_[other];
        return state.accepts == accepts &&
               std::ranges::equal(std::span(ways_).subspan(state.first_way, state.n_ways), ways);
    });
    if (known != IdTable::kNone) return known;
    const auto id = StateId(states_.size());
    State state;
    state.first_way = uint32_t(ways_.size()), state.n_ways = uint32_t(ways.size());
    state.accepts = accepts;
    ways_.insert(ways_.end(), ways.begin(), ways.end());
    states_.push_back(state);
    state_ids_.add(hash, id);
    return id;
}

size_t Automaton::n_bytes() const {
    constexpr size_t kHashed = 64;
    return n_grammar_bytes_ + grammar_.languages.n_bytes() +
           cells_.size() * (sizeof(Cell) * 2 + kHashed) + ways_.size() * sizeof(Config) +
           states_.size() * (sizeof(State) + kHashed) + rows_.size() * sizeof(Row);
}

}  // namespace qwend::grammar
