#include "model/grammar/masks.h"

#include <algorithm>
#include <array>
#include <bit>

namespace qwend::grammar {

using Way = Automaton::Way;

void Masks::fill(StateId state, std::span<uint32_t> mask) {
    const StateId folded = automaton_.folded(state);
    mask_ = mask;
    std::ranges::fill(mask, 0);
    automaton_.ways(folded, ways_);
    to_walk_.clear();
    allowed_groups_ = 0;
    for (size_t i = 0; i < ways_.size(); i++)
        if (!add_way(folded, i)) to_walk_.push_back(i);
    if (!to_walk_.empty()) {
        const bool all = to_walk_.size() == ways_.size();
        walk(vocabulary_.all(), 0, uint32_t(vocabulary_.all().size()),
             all ? folded : automaton_.only(folded, to_walk_));
    }
    for (const auto& [first, second] : vocabulary_.twins())
        if (mask[size_t(first) / 32] >> (first % 32) & 1) allow(second);
}

/// Allows what may come that way; false if some of it has to be found by walking all tokens.
bool Masks::add_way(StateId state, size_t index) {
    const Way& way = ways_[index];
    if (way.kind == Way::Kind::other) return false;
    const Passage& passage = passages_.of(way);
    const bool is_counted = way.kind == Way::Kind::counted;
    const bool may_end = is_counted || !passage.at_end.empty() || !passage.exits.empty();
    const StateId behind = may_end ? automaton_.behind(state, index) : Automaton::kDead;
    if (is_counted && behind == Automaton::kDead) return false;

    const uint32_t n_most = std::min(passage.n_most, way.n_left);
    const bool all_lengths = n_most >= passage.max_characters;
    if (passage.wide) add_wide(*passage.wide, passage.own.empty() ? n_most : way.n_left);
    if (all_lengths && std::popcount(passage.groups) > std::popcount(allowed_groups_))
        allowed_groups_ = passage.groups;
    for (const Passage::Token& token : passage.within)
        if (token.n_characters <= way.n_left) allow(token.id);
    if (behind == Automaton::kDead) return true;
    for (const Passage::Token& token : passage.at_end)
        if (token.n_characters >= way.n_missing && token.n_characters <= way.n_left)
            allow(token.id);
    // What is left out as too long may be some of it, and then what comes behind it.
    const bool no_more = way.n_left >= vocabulary_.max_characters();
    const uint32_t groups =
        (all_lengths ? 0 : passage.groups) | (no_more ? 0 : passage.more_groups);
    if (groups && is_alive_with(behind, groups)) return false;
    return add_exits(passage, behind, way.n_missing, way.n_left);
}

void Masks::add_wide(const Vocabulary::Bits& tokens, uint32_t n_most) {
    if (n_most >= vocabulary_.max_characters()) {
        for (size_t i = 0; i < mask_.size(); i++) mask_[i] |= tokens[i];
        return;
    }
    const Vocabulary::Bits& short_enough = vocabulary_.up_to(n_most);
    for (size_t i = 0; i < mask_.size(); i++) mask_[i] |= tokens[i] & short_enough[i];
}

/// Tokens that leave the language after `first` to `last` characters; false if that takes longer
/// than to walk all.
bool Masks::add_exits(const Passage& passage, StateId behind, uint32_t first, uint32_t last) {
    const Vocabulary::Trie& trie = *passage.trie;
    n_walked_ = 0;
    for (size_t i = 0; i + 1 < passage.exits_of.size(); i++) {
        const auto& of = passage.exits_of[i];
        const StateId next = automaton_.folded_after(behind, of.byte);
        if (next == Automaton::kDead) continue;
        for (uint32_t j = of.first; j < passage.exits_of[i + 1].first; j++) {
            const auto& [node, n_characters] = passage.exits[j];
            if (n_characters < first || n_characters > last) continue;
            if (trie[node].token >= 0) allow(trie[node].token);
            if (node + 1 < trie[node].end) walk(trie, node + 1, trie[node].end, next);
        }
        if (n_walked_ > vocabulary_.all().size() / 4) return false;
    }
    return true;
}

/// Whether some character of these groups may come first.
bool Masks::is_alive_with(StateId state, uint32_t groups) {
    for (int byte = 0; byte < 256; byte++) {
        const uint32_t group =
            byte < 0x80 ? characters::group_of(uint8_t(byte)) : characters::kLonger;
        if ((groups & group) && automaton_.folded_after(state, uint8_t(byte)) != Automaton::kDead)
            return true;
    }
    return false;
}

/// Allows the tokens at some nodes, one below the other and each with all that is below it, whose
/// rest from there on leads from `state` to somewhere.
void Masks::walk(const Vocabulary::Trie& trie, uint32_t begin, uint32_t end, StateId state) {
    // The states on the way to a node, and what is known to come behind them.
    std::array<StateId, Vocabulary::kMaxDepth + 1> path;
    std::array<const StateId*, Vocabulary::kMaxDepth + 1> rows;
    path[trie[begin].depth - 1u] = state,
                             rows[trie[begin].depth - 1u] = automaton_.folded_row(state);
    for (uint32_t i = begin; i < end; n_walked_++) {
        const Vocabulary::Node& node = trie[i];
        if (!(node.whole & ~allowed_groups_)) {
            i = node.end;
            continue;
        }
        StateId next = rows[node.depth - 1u][node.byte];
        if (next == Automaton::kUnknownState)
            next = automaton_.folded_after(path[node.depth - 1u], node.byte);
        if (next == Automaton::kDead) {
            i = node.end;
            continue;
        }
        if (node.token >= 0) allow(node.token);
        i++;
        if (node.end == i) continue;
        path[node.depth] = next, rows[node.depth] = automaton_.folded_row(next);
    }
}

}  // namespace qwend::grammar
