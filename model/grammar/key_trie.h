#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace qwend::grammar {

/// Numbered byte strings: the names of an object's properties. Few allocations, since every schema
/// has many.
class KeyTrie {
  public:
    static constexpr uint32_t kRoot = 0;
    static constexpr uint32_t kNowhere = UINT32_MAX;
    static constexpr uint32_t kNoKey = UINT32_MAX;

    /// None may be a prefix of another, as with quotes around them none is. `number`s ascend.
    void add(std::string_view key, uint32_t number);

    /// kNowhere if no key goes on with that byte.
    uint32_t after(uint32_t node, uint8_t byte) const;
    /// Those that some key goes on with.
    template <class Visit>
    void for_each_byte(uint32_t node, Visit&& visit) const {
        for (uint32_t at = nodes_[node].first_child; at != kNowhere; at = nodes_[at].sibling)
            visit(nodes_[at].byte, at);
    }
    /// The number of the key that ends here, or kNoKey.
    uint32_t key(uint32_t node) const { return nodes_[node].key; }

    size_t n_bytes() const {
        return nodes_.capacity() * sizeof(Node) + ends_.capacity() * sizeof(uint32_t);
    }

  private:
    friend class KeysBelow;
    struct Node {
        uint32_t key = kNoKey;
        uint32_t parent = kNowhere, first_child = kNowhere, sibling = kNowhere;
        uint8_t byte = 0;
    };
    std::vector<Node> nodes_{1};
    std::vector<uint32_t> ends_;  // nodes where keys end, in their order
};

/// Those keys of a trie that may come, of which any range of numbers can be recognised: only those
/// may that are not behind a required one.
class KeysBelow {
  public:
    KeysBelow() = default;
    /// Without those of the numbers that are `forbidden`.
    KeysBelow(const KeyTrie& trie, const std::vector<bool>& forbidden);

    /// Whether one from number `first` to `last` lies at or below that node of the trie.
    bool leads_to(uint32_t node, uint32_t first, uint32_t last) const;
    size_t n_bytes() const { return (begin_.capacity() + numbers_.capacity()) * sizeof(uint32_t); }

  private:
    std::vector<uint32_t> begin_;    // of `numbers_`, of each node and behind the last
    std::vector<uint32_t> numbers_;  // at or below it, ascending
};

}  // namespace qwend::grammar
