#include "daemon/engine/text_index.h"

#include <bit>
#include <cstddef>
#include <utility>

namespace qwend {
namespace {

/// Of the three tokens that end at `end`.
uint32_t hash_of(std::span<const int32_t> tokens, size_t end) {
    uint64_t hash = 0;
    for (size_t i = end - 2; i <= end; ++i)
        hash = (hash ^ static_cast<uint32_t>(tokens[i])) * 0x9e3779b97f4a7c15u;
    return static_cast<uint32_t>(hash >> 32);
}

/// How many tokens of `tokens` that end at `end` are the last of `text`.
int match_length(std::span<const int32_t> tokens, size_t end, std::span<const int32_t> text) {
    int length = 0;
    for (; length < TextIndex::kLongest; ++length) {
        const auto n = static_cast<size_t>(length);
        if (n > end || n >= text.size() || tokens[end - n] != text[text.size() - 1 - n]) break;
    }
    return length;
}

}  // namespace

void TextIndex::extend(std::span<const int32_t> tokens) {
    if (heads_.size() < tokens.size()) rehash(tokens, std::bit_ceil(tokens.size()));
    while (previous_.size() < tokens.size()) insert(tokens, previous_.size());
}

void TextIndex::rehash(std::span<const int32_t> tokens, size_t n_heads) {
    const size_t n_indexed = previous_.size();
    heads_.assign(n_heads, -1);
    previous_.clear();
    previous_.reserve(tokens.size());
    while (previous_.size() < n_indexed) insert(tokens, previous_.size());
}

void TextIndex::insert(std::span<const int32_t> tokens, size_t end) {
    if (end + 1 < kShortest) return previous_.push_back(-1);
    int32_t& head = heads_[hash_of(tokens, end) & (heads_.size() - 1)];
    previous_.push_back(std::exchange(head, static_cast<int32_t>(end)));
}

TextIndex::Match TextIndex::earlier(std::span<const int32_t> tokens) const {
    return previous_.empty() ? Match() : longest(tokens, tokens, previous_.back());
}

TextIndex::Match TextIndex::find(std::span<const int32_t> tokens,
                                 std::span<const int32_t> text) const {
    if (text.size() < kShortest || heads_.empty()) return {};
    return longest(tokens, text, heads_[hash_of(text, text.size() - 1) & (heads_.size() - 1)]);
}

/// Of the matches in the chain that begins with `end`.
TextIndex::Match TextIndex::longest(std::span<const int32_t> tokens, std::span<const int32_t> text,
                                    int32_t end) const {
    Match best;
    int n_seen = 0, n_tried = 0;
    for (; end >= 0 && n_tried < kMostTried && best.length < kLongest; end = previous_[end]) {
        if (++n_seen > kMostSeen) break;
        const int length = match_length(tokens, static_cast<size_t>(end), text);
        if (length >= kShortest) ++n_tried;  // else only the hash is the same
        if (length > best.length) best = {end, length};
    }
    return best;
}

}  // namespace qwend
