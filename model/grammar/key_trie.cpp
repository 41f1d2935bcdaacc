#include "model/grammar/key_trie.h"

#include <algorithm>

namespace qwend::grammar {

void KeyTrie::add(std::string_view key, uint32_t number) {
    uint32_t node = kRoot;
    for (const char c : key) {
        uint32_t next = after(node, uint8_t(c));
        if (next == kNowhere) {
            next = uint32_t(nodes_.size());
            nodes_.push_back({kNoKey, node, kNowhere, nodes_[node].first_child, uint8_t(c)});
            nodes_[node].first_child = next;
        }
        node = next;
    }
    nodes_[node].key = number;
    ends_.push_back(node);
}

uint32_t KeyTrie::after(uint32_t node, uint8_t byte) const {
    for (uint32_t at = nodes_[node].first_child; at != kNowhere; at = nodes_[at].sibling)
        if (nodes_[at].byte == byte) return at;
    return kNowhere;
}

KeysBelow::KeysBelow(const KeyTrie& trie, const std::vector<bool>& forbidden)
    : begin_(trie.nodes_.size() + 1) {
    auto for_each_above = [&](auto&& visit) {
        for (const uint32_t end : trie.ends_) {
            const uint32_t number = trie.nodes_[end].key;
            if (forbidden[number]) continue;
            for (uint32_t at = end; at != KeyTrie::kNowhere; at = trie.nodes_[at].parent)
                visit(at, number);
        }
    };
    for_each_above([&](uint32_t node, uint32_t) { begin_[node + 1]++; });
    for (size_t i = 1; i < begin_.size(); i++) begin_[i] += begin_[i - 1];
    numbers_.resize(begin_.back());
    std::vector<uint32_t> past(begin_.begin(), begin_.end() - 1);
    for_each_above([&](uint32_t node, uint32_t number) { numbers_[past[node]++] = number; });
}

bool KeysBelow::leads_to(uint32_t node, uint32_t first, uint32_t last) const {
    if (begin_.empty()) return false;
    const auto begin = numbers_.begin() + begin_[node], end = numbers_.begin() + begin_[node + 1];
    const auto at = std::lower_bound(begin, end, first);
    return at != end && *at <= last;
}

}  // namespace qwend::grammar
