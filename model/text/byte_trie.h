#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace qwend {

/// A tree of texts by their bytes, in one table, and the id of each. Nodes are numbers, the root is
/// 0.
class ByteTrie {
  public:
    /// The node where `text` ends.
    int32_t insert(std::string_view text);
    /// Gives `text` an id, in place of the one before.
    void insert(std::string_view text, int32_t id);
    /// Texts with one of these ids (ascending) have none any more.
    void leave_out(const std::vector<int32_t>& ids);
    /// -1 if no text goes on like that.
    int32_t child(int32_t node, uint8_t byte) const;
    /// The node where `text` leads from another; -1 if there is none.
    int32_t descend(int32_t node, std::string_view text) const;
    /// The id of the text that ends at a node, which may be -1; -1 if it has none.
    int32_t id(int32_t node) const { return size_t(node) < ids_.size() ? ids_[size_t(node)] : -1; }
    /// The id of a text; -1 if it has none.
    int32_t find(std::string_view text) const { return id(descend(0, text)); }
    int32_t size() const { return n_nodes_; }

  private:
    struct Edge {
        uint64_t key = UINT64_MAX;  // node << 8 | byte
        int32_t to = -1;
    };
    size_t place_of(uint64_t key) const;
    void grow();

    std::vector<Edge> edges_ = std::vector<Edge>(16);  // open addressing, at most half full
    std::vector<int32_t> ids_;                         // by node, as far as one has an id
    int32_t n_nodes_ = 1;
};

}  // namespace qwend
