#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend::grammar {

/// Kinds of characters that a token is made of, a bit each. Where a text may go on with any
/// character of some groups, as within a string, it may with any token of them alone.
namespace characters {
inline constexpr uint32_t kControl = 1 << 0, kLower = 1 << 1, kUpper = 1 << 2, kDigit = 1 << 3,
                          kWord = kLower | kUpper | kDigit, kQuote = 1 << 4, kBackslash = 1 << 5;
inline constexpr uint32_t kSeparators = 1 << 14;  // U+2028 and U+2029
inline constexpr uint32_t kNonAscii = 1 << 15;    // what else is of more than one byte
inline constexpr uint32_t kCut = 1 << 16;         // the token ends in the middle of one
inline constexpr uint32_t kBroken = 1 << 17;      // it is no UTF-8: in no group
inline constexpr uint32_t kLonger = kSeparators | kNonAscii | kCut | kBroken;
inline constexpr size_t kNumber = 18;
/// What stands in a string of JSON as it is.
inline constexpr uint32_t kText = (kBroken - 1) & ~(kControl | kQuote | kBackslash);
/// Of an ASCII character; a bit below kSeparators.
uint32_t group_of(uint8_t byte);
}  // namespace characters

/// What stands in a Vocabulary for a token that is no text, and in a grammar where that token is
/// meant: bytes that no UTF-8 has.
std::string special_token_bytes(int32_t id);

/// The tokens of a model as the byte strings they are, in an order in which those that begin alike
/// are looked at together. Any thread may use it.
class Vocabulary {
  public:
    /// `bytes` of each id, empty for those that no text can be made of: they are never allowed.
    /// They outlive this.
    explicit Vocabulary(std::vector<std::string_view> bytes);
    std::string_view bytes(int32_t token) const {
        return size_t(token) < bytes_.size() ? bytes_[size_t(token)] : std::string_view();
    }

    /// A tree of byte strings, depth first.
    struct Node {
        uint32_t end;   // index of the first node that is not below it
        int32_t token;  // whose bytes end here; -1: none
        // Groups of the tokens that end here or below: of their characters that end here or below,
        // and of all of them.
        uint32_t rest : 24, depth : 8;
        uint32_t whole : 24, byte : 8;
    };
    using Trie = std::vector<Node>;
    static constexpr size_t kMaxDepth = 255;  // bytes; a longer token is never allowed

    using Bits = std::vector<uint32_t>;  // one an id

    size_t n_words() const { return n_words_; }  // 32 ids each
    const Trie& all() const { return all_; }
    /// What is known of the tokens that are made of some groups alone.
    struct Slice {
        Bits tokens;
        uint32_t max_characters = 0;  // of these
        /// The tree without what has no other tokens at or below it; empty where that is most of
        /// the tree, which is as good then.
        Trie others;
    };
    /// Made when it is asked for the first time; nullptr if there are too many already.
    const Slice* slice(uint32_t groups) const;
    /// Those of at most `n` characters, one that is cut included.
    const Bits& up_to(uint32_t n) const { return up_to_[std::min(n, max_characters_)]; }
    uint32_t n_characters(int32_t token) const { return n_characters_[size_t(token)]; }
    uint32_t groups(int32_t token) const { return groups_[size_t(token)]; }
    /// Pairs of tokens with the same bytes: only the first is in the tries.
    std::span<const std::pair<int32_t, int32_t>> twins() const { return twins_; }
    uint32_t max_characters() const { return max_characters_; }  // of a token
    uint32_t max_word() const { return max_word_; }      // letters and digits on end, in a token
    uint32_t max_commas() const { return max_commas_; }  // of a token, with none side by side

  private:
    static constexpr size_t kMaxSlices = 64;

    void describe(int32_t token, std::string_view bytes);
    void add_node(std::string_view bytes, size_t at);
    void build(std::vector<std::pair<std::string_view, int32_t>>& sorted);
    void sort_by_length();
    Trie without(uint32_t groups) const;

    std::vector<std::string_view> bytes_;
    size_t n_words_;
    Trie all_;
    std::vector<std::pair<int32_t, int32_t>> twins_;
    std::vector<uint32_t> groups_;       // of each id
    std::vector<uint8_t> n_characters_;  // of each id
    uint32_t max_characters_ = 0, max_word_ = 0, max_commas_ = 0;

    std::vector<Bits> up_to_;
    mutable std::mutex mutex_;
    mutable std::map<uint32_t, Slice> slices_;
};

}  // namespace qwend::grammar
