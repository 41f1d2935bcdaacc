// Items one after the other: how many there were of what stands in the frame.

#include <algorithm>
#include <bit>

#include "model/grammar/automaton.h"

namespace qwend::grammar {

namespace {

// Of a list's frame: items, the one that is open included; whether the separator is.
constexpr uint32_t kInSeparator = uint32_t(1) << 31;

/// Of the frame of a mix: items, and those that are the first part.
struct MixAt {
    uint32_t n = 0, n_first = 0;
    bool in_separator = false;

    static MixAt from(uint32_t at) {
        return {at & 0x7FFF, at >> 15 & 0x7FFF, (at & kInSeparator) != 0};
    }
    uint32_t packed() const { return n | n_first << 15 | (in_separator ? kInSeparator : 0); }
};

uint32_t left(uint32_t to, uint32_t from) {
    return to - std::min(to, from);
}

/// How many more items a mix must have, and how many of them must be the first part.
struct MixNeeds {
    uint32_t n, n_first;
    MixNeeds(const Node& node, const MixAt& at)
        : n(left(node.min, at.n)), n_first(left(node.min_first, at.n_first)) {
        n = std::max(n, n_first);
    }
};

/// One token cannot tell a count from another that is as far from what it is compared with.
uint32_t folded_mix(const Node& node, MixAt at, uint32_t reach) {
    const MixNeeds needs(node, at);
    const bool is_far_first = node.max_first == kUnbounded ||
                              left(node.max_first, at.n_first) > uint64_t(reach) + needs.n;
    const bool is_far = node.max == kUnbounded || left(node.max, at.n) > uint64_t(reach) + needs.n;
    if (at.n_first > node.min_first && is_far_first) at.n_first = node.min_first;
    if (at.n > node.min && is_far) at.n = node.min;
    return at.packed();
}

}  // namespace

/// The count that stands for all those that one token cannot tell from this one.
uint32_t Automaton::folded_at(NodeId id, uint32_t at) const {
    const Node& node = grammar_.nodes[id];
    if (node.kind == Node::Kind::mix) return folded_mix(node, MixAt::from(at), reach_.items);
    if (node.kind != Node::Kind::list) return at;
    const uint32_t flag = at & kInSeparator, n = at & ~kInSeparator;
    const uint32_t reach = node.language == Languages::kEmpty ? reach_.characters : reach_.items;
    const auto own = uint32_t(node.parts.size());  // those of the first have their own nodes
    if (node.max != kUnbounded && node.max - std::min(node.max, n) <= reach) return at;
    const uint32_t enough = std::max({node.min, own, 1u});
    if (n > enough) return enough | flag;
    if (n > own && node.min - n > reach) return own | flag;
    return at;
}

void Automaton::enter_list(NodeId id, CellId parent) {
    if (grammar_.nodes[id].min == 0) pop(parent);
    enter_item(id, 0, parent);
}

void Automaton::enter_item(NodeId id, uint32_t n_done, CellId parent) {
    const Node& node = grammar_.nodes[id];
    const NodeId item = node.parts[std::min(size_t(n_done), node.parts.size() - 1)];
    if (n_done >= node.max || item == kNoNode) return;
    const auto own = uint32_t(node.parts.size());
    uint32_t n = n_done + 1;
    if (node.max == kUnbounded) n = std::min(n, std::max({node.min, own, 1u}));
    const CellId frame = push(id, n, parent);
    pushed_.push_back(frame);
    enter(item, frame);
    pushed_.pop_back();
}

/// An item has ended. One that had nothing in it, and no separator to come, is followed by no more
/// of its kind: they would be empty as well, as the rest of those that are demanded may be.
void Automaton::leave_item(const Cell& frame, bool had_nothing) {
    const Node& node = grammar_.nodes[frame.node];
    const uint32_t n = frame.at & ~kInSeparator;
    const bool was_empty =
        had_nothing && node.language == Languages::kEmpty && n >= node.parts.size();
    if (frame.at & kInSeparator) return enter_item(frame.node, n, frame.parent);
    if (n >= node.min || was_empty) pop(frame.parent);
    if (was_empty || n >= node.max) return;
    const NodeId item = node.parts[std::min(size_t(n), node.parts.size() - 1)];
    if (item == kNoNode) return;
    if (node.language == Languages::kEmpty) return enter_item(frame.node, n, frame.parent);
    const CellId in_separator = push(frame.node, n | kInSeparator, frame.parent);
    if (fits(item, in_separator)) add_language(node.language, in_separator);
}

/// Whether the rest can still come, in frames at that depth.
bool Automaton::mix_can_end(const Node& node, uint32_t n, uint32_t n_first, uint32_t depth) const {
    if (n > node.max || n_first > node.max_first) return false;
    const MixNeeds needs(node, {n, n_first});
    if (needs.n > node.max - n) return false;
    const bool first_fits = fits_at(node.parts[0], depth);
    if (needs.n_first > 0 && !first_fits) return false;
    return needs.n == needs.n_first || fits_at(node.parts[1], depth) ||
           (first_fits && needs.n <= node.max_first - n_first);
}

/// Which of its two parts the next item may be.
std::array<bool, 2> Automaton::next_mixed(const Node& node, uint32_t packed, CellId parent) const {
    const MixAt at = MixAt::from(packed);
    const uint32_t depth = cells_[parent].depth + 1;
    return {
        fits_at(node.parts[0], depth) && mix_can_end(node, at.n + 1, at.n_first + 1, depth),
        fits_at(node.parts[1], depth) && mix_can_end(node, at.n + 1, at.n_first, depth),
    };
}

void Automaton::enter_mix(NodeId id, CellId parent) {
    const Node& node = grammar_.nodes[id];
    if (node.min == 0 && node.min_first == 0) pop(parent);
    enter_mixed(id, 0, parent);
}

void Automaton::enter_mixed(NodeId id, uint32_t packed, CellId parent) {
    const Node& node = grammar_.nodes[id];
    const std::array<bool, 2> may_come = next_mixed(node, packed, parent);
    for (uint32_t part = 0; part < 2; part++) {
        MixAt at = MixAt::from(packed);
        at.n++;
        if (part == 0) at.n_first++;
        // What nothing is compared with any more is not counted.
        if (node.max == kUnbounded) at.n = std::min(at.n, node.min);
        if (node.max_first == kUnbounded) at.n_first = std::min(at.n_first, node.min_first);
        if (may_come[part]) enter(node.parts[part], push(id, at.packed(), parent));
    }
}

void Automaton::leave_mixed(const Cell& frame) {
    const Node& node = grammar_.nodes[frame.node];
    MixAt at = MixAt::from(frame.at);
    if (at.in_separator) {
        at.in_separator = false;
        return enter_mixed(frame.node, at.packed(), frame.parent);
    }
    if (at.n >= node.min && at.n_first >= node.min_first) pop(frame.parent);
    const std::array<bool, 2> may_come = next_mixed(node, frame.at, frame.parent);
    at.in_separator = true;
    if (may_come[0] || may_come[1])
        add_language(node.language, push(frame.node, at.packed(), frame.parent));
}

void Automaton::enter_unique(NodeId id, CellId parent) {
    if (grammar_.nodes[id].min == 0) pop(parent);
    enter_other(id, 0, parent);
}

/// Whether there may be one more: a part that was not there yet, whose bit is not set.
bool Automaton::other_can_come(const Node& node, uint32_t at, CellId parent) const {
    if (uint32_t(std::popcount(at)) >= node.max) return false;
    for (size_t i = 0; i < node.parts.size(); i++)
        if (!(at >> i & 1) && fits_at(node.parts[i], cells_[parent].depth + 1)) return true;
    return false;
}

void Automaton::enter_other(NodeId id, uint32_t at, CellId parent) {
    const Node& node = grammar_.nodes[id];
    if (!other_can_come(node, at, parent)) return;
    for (uint32_t i = 0; i < node.parts.size(); i++)
        if (!(at >> i & 1)) enter(node.parts[i], push(id, at | uint32_t(1) << i, parent));
}

void Automaton::leave_unique(const Cell& frame) {
    const Node& node = grammar_.nodes[frame.node];
    const uint32_t at = frame.at & ~kInSeparator;
    if (frame.at & kInSeparator) return enter_other(frame.node, at, frame.parent);
    if (uint32_t(std::popcount(at)) >= node.min) pop(frame.parent);
    if (other_can_come(node, at, frame.parent))
        add_language(node.language, push(frame.node, at | kInSeparator, frame.parent));
}

}  // namespace qwend::grammar
