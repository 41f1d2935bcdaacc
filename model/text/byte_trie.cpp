#include "model/text/byte_trie.h"

#include <algorithm>
#include <utility>

namespace qwend {

/// Of a key, or of nothing where it would be.
size_t ByteTrie::place_of(uint64_t key) const {
    const size_t mask = edges_.size() - 1;
    size_t at = size_t((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
    while (edges_[at].key != key && edges_[at].key != UINT64_MAX) at = (at + 1) & mask;
    return at;
}

void ByteTrie::grow() {
    std::vector<Edge> old(edges_.size() * 2);
    std::swap(old, edges_);
    for (const Edge& edge : old)
        if (edge.to >= 0) edges_[place_of(edge.key)] = edge;
}

int32_t ByteTrie::insert(std::string_view text) {
    int32_t node = 0;
    for (const char byte : text) {
        if (size_t(n_nodes_) * 2 > edges_.size()) grow();
        const uint64_t key = uint64_t(node) << 8 | uint8_t(byte);
        Edge& edge = edges_[place_of(key)];
        if (edge.to < 0) edge = {key, n_nodes_++};
        node = edge.to;
    }
    return node;
}

void ByteTrie::insert(std::string_view text, int32_t id) {
    const auto node = size_t(insert(text));
    if (node >= ids_.size()) ids_.resize(node + 1, -1);
    ids_[node] = id;
}

void ByteTrie::leave_out(const std::vector<int32_t>& ids) {
    for (int32_t& id : ids_)
        if (std::ranges::binary_search(ids, id)) id = -1;
}

int32_t ByteTrie::child(int32_t node, uint8_t byte) const {
    return edges_[place_of(uint64_t(node) << 8 | byte)].to;
}

int32_t ByteTrie::descend(int32_t node, std::string_view text) const {
    for (size_t at = 0; at < text.size() && node >= 0;) node = child(node, uint8_t(text[at++]));
    return node;
}

}  // namespace qwend
