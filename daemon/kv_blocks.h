#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace qwend {

/// The KV blocks of one sequence, in order of position.
struct BlockTable {
    std::vector<int32_t> blocks;
    int n_published = 0;    // leading blocks that are in the prefix cache
    uint64_t chain_id = 0;  // content id of the last of them; 0: none
};

/// A run of cached blocks that a token list begins with. Valid until the next change of the pool.
struct PrefixMatch {
    std::vector<int32_t> blocks;
    uint64_t chain_id = 0;  // content id of the last one
    int n_idle = 0;         // of them held by no sequence: taking them uses up free blocks
};

/// The pool of KV blocks: who holds which, and which contents can be found again.
///
/// Prefix cache: a full block whose keys and values are computed gets a content id that is never
/// used twice. It is found by (content id of the block before, its tokens), for a first block by
/// (cache salt, its tokens). The hash only narrows the search, tokens and ids are compared: equal
/// content therefore means, by induction, an equal prefix, and no crafted collision can hand one
/// client the context of another.
///
/// A block that nobody holds keeps its content until it is needed again, least recently used first.
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
    /// Brings `n_idle` up to date where blocks were only released since the match was found, which
    /// leaves it valid.
    void recount_idle(PrefixMatch& match) const;
    /// Starts an empty table with the blocks of a match.
    void adopt(BlockTable& table, const PrefixMatch& match);
    /// Grows the table to `n_blocks`; false, and nothing changed, if that many are not free.
    bool grow(BlockTable& table, int64_t n_blocks);
    /// Offers the table's full blocks to the prefix cache; `computed` are the tokens whose keys and
    /// values it holds. A block whose content is cached already is exchanged for the cached one, so
    /// that whoever holds a block always holds its whole cached prefix.
    void publish(BlockTable& table, std::span<const int32_t> computed, std::string_view salt);
    /// Gives all blocks back and empties the table.
    void release(BlockTable& table);

    int ref_count(int32_t block) const { return blocks_[block].n_refs; }  // tables that hold it

  private:
    struct Content {
        uint64_t id = 0;  // 0: not in the cache
        uint64_t hash = 0;
        uint64_t parent_id = 0;  // 0: first block
        std::string salt;        // of first blocks; the others inherit it through the parent
        std::vector<int32_t> tokens;
    };
    struct Block {
        int n_refs = 0;
        std::list<int32_t>::iterator node;  // in free_ or held_
        Content content;
    };

    uint64_t hash_of(uint64_t parent_id, std::span<const int32_t> tokens,
                     std::string_view salt) const;
    int32_t find(uint64_t parent_id, std::span<const int32_t> tokens, std::string_view salt) const;
    void retain(int32_t block);
    void release(int32_t block);
    int32_t take_free();

    int block_size_;
    bool prefix_cache_;
    uint64_t hash_mask_;
    uint64_t next_content_id_ = 1;
    std::vector<Block> blocks_;
    std::list<int32_t> free_;  // the front is handed out next
    std::list<int32_t> held_;
    std::unordered_map<uint64_t, int32_t> cached_;  // content hash → block
};

}  // namespace qwend
