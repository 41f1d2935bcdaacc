#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend::grammar {

/// Numbered byte strings, of which any range of numbers can be recognised: the names of an object's
/// properties, of which those may come next that are not behind a required one.
class KeyTrie {
  public:
    static constexpr uint32_t kRoot = 0;
    static constexpr uint32_t kNowhere = UINT32_MAX;
    static constexpr uint32_t kNoKey = UINT32_MAX;

    /// None may be a prefix of another, as with quotes around them none is. `number`s ascend.
    void add(std::string_view key, uint32_t number);
    /// The keys of these numbers lead nowhere any more; what has their name is still found to have
    /// it.
    void forbid(const std::vector<bool>& numbers);

    /// kNowhere if no key goes on with that byte.
    uint32_t after(uint32_t node, uint8_t byte) const;
    /// Whether a key from number `first` to `last` lies at or below the node.
    bool leads_to(uint32_t node, uint32_t first, uint32_t last) const;
    /// The number of the key that ends here, or kNoKey.
    uint32_t key(uint32_t node) const { return nodes_[node].key; }

  private:
    struct Node {
        uint32_t key = kNoKey;
        std::vector<std::pair<uint8_t, uint32_t>> children;
        std::vector<uint32_t> numbers;  // at or below, ascending
    };
    std::vector<Node> nodes_{1};
};

}  // namespace qwend::grammar
