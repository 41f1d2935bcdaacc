#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/engine/siphash.h"

namespace qwend {

/// The KV blocks of one sequence, in order of position.
struct BlockTable {
    std::vector<int32_t> blocks;
    int n_published = 0;    // leading blocks that are in the prefix cache
    uint64_t chain_id = 0;  // content id of the last of them; 0: none
};

/// A run of cached blocks that a token list begins with. Valid until the next change of the pool;
/// KvBlocks::update makes it valid again.
struct PrefixMatch {
    std::vector<int32_t> blocks;
    std::vector<uint64_t> ids;  // their content ids
    uint64_t seen_id = 0;       // content ids below it existed when it was last extended

    uint64_t chain_id() const { return ids.empty() ? 0 : ids.back(); }
};

/// The pool of KV blocks: who holds which, and which contents can be found again.
///
/// Prefix cache: a full block whose keys and values are computed gets a content id that is never
/// used twice. It is found by (content id of the block before, its tokens), for a first block by
/// (cache salt, its tokens). The hash only narrows the search, tokens and ids are compared: equal
/// content therefore means, by induction, an equal prefix, and no crafted collision can hand one
/// client the context of another. Nor can one be crafted that keeps another's content out of the
/// cache: the hash has a key of this process.
///
/// A block that nobody holds keeps its content until it is needed again, least recently used first.
/// Whoever holds a block holds its whole cached prefix, and gives the end back before the
/// beginning: of a prefix, the end is therefore always let go, and forgotten, first.
class KvBlocks {
  public:
    /// `hash_mask` is for the tests, which narrow it to make collisions common.
    KvBlocks(int n_blocks, int block_size, bool prefix_cache, uint64_t hash_mask = ~uint64_t{0});

    int block_size() const { return block_size_; }  // tokens
    int n_blocks() const { return static_cast<int>(blocks_.size()); }
    int n_free() const { return static_cast<int>(free_.size()); }  // held by no sequence
    int64_t blocks_for(int64_t n_tokens) const;                    // rounded up

    /// The longest run of cached full blocks that `tokens` begins with and that leaves at least one
    /// token over, since sampling needs the last position computed.
    PrefixMatch find_prefix(std::span<const int32_t> tokens, std::string_view salt) const;
    /// Makes an older match of the same tokens what find_prefix() would give now, at the cost of
    /// what changed.
    void update(PrefixMatch& match, std::span<const int32_t> tokens, std::string_view salt) const;
    /// Drops the end of an older match that is in the cache no more.
    void shrink(PrefixMatch& match) const;
    /// Extends a valid match to `n_blocks` of a table's published ones, for tokens that are known
    /// to begin like the table's.
    void extend(PrefixMatch& match, const BlockTable& table, int n_blocks) const;
    /// Blocks of a valid match that no sequence holds: taking them uses up free blocks.
    int n_idle(const PrefixMatch& match) const;
    /// Starts an empty table with the blocks of a match.
    void adopt(BlockTable& table, const PrefixMatch& match);
    /// Grows the table to `n_blocks`; false, and nothing changed, if that many are not free.
    bool grow(BlockTable& table, int64_t n_blocks);
    /// Gives the table's blocks after the first `n_blocks` back; they are not published.
    void shrink(BlockTable& table, int64_t n_blocks);
    /// Offers the table's full blocks to the prefix cache; `computed` are the tokens whose keys and
    /// values it holds. A block whose content is cached already is exchanged for the cached one, so
    /// that whoever holds a block always holds its whole cached prefix.
    void publish(BlockTable& table, std::span<const int32_t> computed, std::string_view salt);
    /// Empties the prefix cache; what tables hold is published no more.
    void forget_contents();
    /// Gives all blocks back and empties the table.
    void release(BlockTable& table);

    int ref_count(int32_t block) const { return n_refs_[block]; }  // tables that hold it
    uint64_t n_lookups() const { return n_lookups_; }              // of blocks, in total

  private:
    struct Content {
        uint64_t id = 0;  // 0: not in the cache
        uint64_t hash = 0;
        uint64_t parent_id = 0;  // 0: first block
        std::string salt;        // of first blocks; the others inherit it through the parent
        std::vector<int32_t> tokens;
    };
    struct Block {
        std::list<int32_t>::iterator node;  // in free_ or held_
        Content content;
    };

    uint64_t hash_of(uint64_t parent_id, std::span<const int32_t> tokens,
                     std::string_view salt) const;
    int32_t find(uint64_t hash, uint64_t parent_id, std::span<const int32_t> tokens,
                 std::string_view salt) const;
    void retain(int32_t block);
    void release(int32_t block);
    int32_t take_free();

    int block_size_;
    bool prefix_cache_;
    uint64_t hash_mask_;
    SipHash hash_{SipHash::random_key()};
    mutable uint64_t n_lookups_ = 0;
    mutable std::vector<int32_t> hashed_;  // what is being hashed, kept for its memory
    uint64_t next_content_id_ = 1;
    std::vector<Block> blocks_;
    std::vector<int32_t> n_refs_;  // of each block; apart, since starts run through many
    std::list<int32_t> free_;      // the front is handed out next
    std::list<int32_t> held_;
    std::unordered_map<uint64_t, int32_t> cached_;  // content hash → block
};

}  // namespace qwend
