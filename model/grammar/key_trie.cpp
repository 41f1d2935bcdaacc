#include "model/grammar/key_trie.h"

#include <algorithm>

namespace qwend::grammar {

void KeyTrie::add(std::string_view key, uint32_t number) {
    uint32_t node = kRoot;
    nodes_[node].numbers.push_back(number);
    for (const char c : key) {
        uint32_t next = after(node, uint8_t(c));
        if (next == kNowhere) {
            next = uint32_t(nodes_.size());
            nodes_[node].children.emplace_back(uint8_t(c), next);
            nodes_.emplace_back();
        }
        node = next;
        nodes_[node].numbers.push_back(number);
    }
    nodes_[node].key = number;
}

void KeyTrie::forbid(const std::vector<bool>& numbers) {
    for (Node& node : nodes_)
        std::erase_if(node.numbers, [&](uint32_t number) { return numbers[number]; });
}

uint32_t KeyTrie::after(uint32_t node, uint8_t byte) const {
    for (const auto& [label, child] : nodes_[node].children)
        if (label == byte) return child;
    return kNowhere;
}

bool KeyTrie::leads_to(uint32_t node, uint32_t first, uint32_t last) const {
    const auto& numbers = nodes_[node].numbers;
    const auto at = std::lower_bound(numbers.begin(), numbers.end(), first);
    return at != numbers.end() && *at <= last;
}

}  // namespace qwend::grammar
