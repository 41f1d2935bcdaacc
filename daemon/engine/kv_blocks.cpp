#include "daemon/engine/kv_blocks.h"

#include <algorithm>
#include <cstring>

namespace qwend {

KvBlocks::KvBlocks(int n_blocks, int block_size, bool prefix_cache, uint64_t hash_mask)
    : block_size_(block_size),
      prefix_cache_(prefix_cache),
      hash_mask_(hash_mask),
      blocks_(n_blocks),
      n_refs_(n_blocks) {
    for (int32_t block = 0; block < n_blocks; ++block)
        blocks_[block].node = free_.insert(free_.end(), block);
}

int64_t KvBlocks::blocks_for(int64_t n_tokens) const {
    return (n_tokens + block_size_ - 1) / block_size_;
}

PrefixMatch KvBlocks::find_prefix(std::span<const int32_t> tokens, std::string_view salt) const {
    PrefixMatch match;
    update(match, tokens, salt);
    return match;
}

void KvBlocks::update(PrefixMatch& match, std::span<const int32_t> tokens,
                      std::string_view salt) const {
    if (!prefix_cache_ || tokens.empty()) return;
    shrink(match);
    // What was forgotten is not there again but by a content with a new id.
    if (match.seen_id == next_content_id_) return;
    match.seen_id = next_content_id_;
    const size_t n_usable = (tokens.size() - 1) / block_size_;
    for (size_t i = match.blocks.size(); i < n_usable; ++i) {
        const auto wanted = tokens.subspan(i * block_size_, block_size_);
        const uint64_t parent_id = match.chain_id();
        const int32_t block = find(hash_of(parent_id, wanted, salt), parent_id, wanted, salt);
        if (block < 0) break;
        match.blocks.push_back(block);
        match.ids.push_back(blocks_[block].content.id);
    }
}

void KvBlocks::shrink(PrefixMatch& match) const {
    while (!match.ids.empty() && blocks_[match.blocks.back()].content.id != match.ids.back())
        match.blocks.pop_back(), match.ids.pop_back();
}

void KvBlocks::extend(PrefixMatch& match, const BlockTable& table, int n_blocks) const {
    const auto n_wanted = static_cast<size_t>(n_blocks);
    match.blocks.reserve(n_wanted), match.ids.reserve(n_wanted);
    for (size_t i = match.blocks.size(); i < n_wanted; ++i) {
        match.blocks.push_back(table.blocks[i]);
        match.ids.push_back(blocks_[table.blocks[i]].content.id);
    }
}

int KvBlocks::n_idle(const PrefixMatch& match) const {
    const auto idle = std::ranges::partition_point(
        match.blocks, [this](int32_t block) { return n_refs_[block] > 0; });
    return static_cast<int>(match.blocks.end() - idle);
}

void KvBlocks::adopt(BlockTable& table, const PrefixMatch& match) {
    for (int32_t block : match.blocks) retain(block);
    table.blocks = match.blocks;
    table.n_published = static_cast<int>(match.blocks.size());
    table.chain_id = match.chain_id();
}

bool KvBlocks::grow(BlockTable& table, int64_t n_blocks) {
    const int64_t n_new = n_blocks - static_cast<int64_t>(table.blocks.size());
    if (n_new > n_free()) return false;
    for (int64_t i = 0; i < n_new; ++i) table.blocks.push_back(take_free());
    return true;
}

void KvBlocks::shrink(BlockTable& table, int64_t n_blocks) {
    while (static_cast<int64_t>(table.blocks.size()) > n_blocks) {
        release(table.blocks.back());
        table.blocks.pop_back();
    }
}

void KvBlocks::publish(BlockTable& table, std::span<const int32_t> computed,
                       std::string_view salt) {
    if (!prefix_cache_) return;
    const size_t n_full = computed.size() / block_size_;
    for (size_t i = table.n_published; i < n_full; ++i) {
        auto tokens = computed.subspan(i * block_size_, block_size_);
        const int32_t own = table.blocks[i];
        const uint64_t hash = hash_of(table.chain_id, tokens, salt);
        const int32_t cached = find(hash, table.chain_id, tokens, salt);
        if (cached >= 0) {
            retain(cached);
            release(own);
            table.blocks[i] = cached;
        } else {
            // Another content has this hash: leave the rest of this sequence uncached.
            if (!cached_.emplace(hash, own).second) return;
            blocks_[own].content = {next_content_id_++,
                                    hash,
                                    table.chain_id,
                                    std::string(table.chain_id == 0 ? salt : ""),
                                    {tokens.begin(), tokens.end()}};
        }
        table.chain_id = blocks_[table.blocks[i]].content.id;
        ++table.n_published;
    }
}

void KvBlocks::forget_contents() {
    cached_.clear();
    for (Block& block : blocks_) block.content = {};
}

void KvBlocks::release(BlockTable& table) {
    // Last block first: a prefix then outlives what follows it, which is useless without it.
    for (size_t i = table.blocks.size(); i-- > 0;) release(table.blocks[i]);
    table = {};
}

uint64_t KvBlocks::hash_of(uint64_t parent_id, std::span<const int32_t> tokens,
                           std::string_view salt) const {
    auto bytes_of = [](auto list) {
        return std::span(reinterpret_cast<const uint8_t*>(list.data()), list.size_bytes());
    };
    if (parent_id == 0) parent_id = hash_(bytes_of(std::span(salt)));
    hashed_.resize(2 + tokens.size());
    std::memcpy(hashed_.data(), &parent_id, sizeof parent_id);
    std::ranges::copy(tokens, hashed_.begin() + 2);
    return hash_(bytes_of(std::span(hashed_))) & hash_mask_;
}

int32_t KvBlocks::find(uint64_t hash, uint64_t parent_id, std::span<const int32_t> tokens,
                       std::string_view salt) const {
    ++n_lookups_;
    auto found = cached_.find(hash);
    if (found == cached_.end()) return -1;
    const Content& content = blocks_[found->second].content;
    const bool same = content.parent_id == parent_id &&
                      std::ranges::equal(content.tokens, tokens) &&
                      (parent_id != 0 || content.salt == salt);
    return same ? found->second : -1;
}

void KvBlocks::retain(int32_t block) {
    if (n_refs_[block]++ == 0) held_.splice(held_.end(), free_, blocks_[block].node);
}

void KvBlocks::release(int32_t block) {
    if (--n_refs_[block] > 0) return;
    const bool cached = blocks_[block].content.id != 0;
    free_.splice(cached ? free_.end() : free_.begin(), held_, blocks_[block].node);
}

int32_t KvBlocks::take_free() {
    const int32_t block = free_.front();
    Content& content = blocks_[block].content;
    if (content.id != 0) cached_.erase(content.hash);
    content = {};
    retain(block);
    return block;
}

}  // namespace qwend
