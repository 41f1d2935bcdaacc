#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace qwend {

/// A tree of texts by their bytes, in one table. Nodes are numbers, the root is 0.
class ByteTrie {
  public:
    /// The node where `text` ends.
    int32_t insert(std::string_view text);
    /// -1 if no text goes on like that.
    int32_t child(int32_t node, uint8_t byte) const;
    int32_t size() const { return n_nodes_; }

  private:
    struct Edge {
        uint64_t key = UINT64_MAX;  // node << 8 | byte
        int32_t to = -1;
    };
    size_t place_of(uint64_t key) const;
    void grow();

    std::vector<Edge> edges_ = std::vector<Edge>(16);  // open addressing, at most half full
    int32_t n_nodes_ = 1;
};

}  // namespace qwend
