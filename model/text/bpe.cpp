#include "model/text/bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "model/error.h"
#include "model/text/byte_alphabet.h"

namespace qwend {

namespace {

constexpr size_t kShortWord = 32;  // symbols; below, scanning beats a heap
constexpr size_t kWindow = 512;    // symbols; a heap of so many pairs stays in a core's own cache

uint64_t pair_key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

size_t hash_pair(uint64_t pair) {
    return size_t((pair * 0x9E3779B97F4A7C15u) >> 20);
}

}  // namespace

Bpe::Bpe(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
         const std::vector<std::pair<std::string_view, std::string_view>>& merges,
         const std::string& source, const BpeSpelling& spelling, bool ignore_merges)
    : Bpe(BpeSymbols::Vocabulary(vocab.begin(), vocab.end()), merges, source, spelling,
          ignore_merges) {}

Bpe::Bpe(const BpeSymbols::Vocabulary& ids, const Merges& merges, const std::string& source,
         const BpeSpelling& spelling, bool ignore_merges)
    : symbols_(ids, spelling) {
    std::string word;
    if (ignore_merges)
        for (const auto& [token, id] : ids) {
            if (!spelling.is_byte_level)
                words_.emplace(token, id);
            else if (bytes_from_alphabet(token, word))
                words_.emplace(word, id);
        }
    merges_.resize(std::bit_ceil(std::max<size_t>(merges.size() * 2, 16)));
    for (size_t rank = 0; rank < merges.size(); rank++) {
        auto [left, right] = merges[rank];
        const size_t n_prefix = std::min(spelling.prefix.size(), right.size());
        word.assign(left).append(right.substr(n_prefix));
        auto a = ids.find(left), b = ids.find(right), result = ids.find(word);
        if (a == ids.end() || b == ids.end() || result == ids.end())
            throw LoadError(fmt::format("{}: merge {} (\"{}\" \"{}\") is not in the vocabulary",
                                        source, rank, left, right));
        insert_merge({pair_key(a->second, b->second), int32_t(rank), result->second});
    }
}

void Bpe::insert_merge(Merge merge) {
    const size_t mask = merges_.size() - 1;
    size_t at = hash_pair(merge.pair) & mask;
    while (merges_[at].pair != UINT64_MAX && merges_[at].pair != merge.pair) at = (at + 1) & mask;
    merges_[at] = merge;
}

void Bpe::leave_out(const std::vector<int32_t>& ids) {
    std::erase_if(words_,
                  [&](const auto& word) { return std::ranges::binary_search(ids, word.second); });
    const auto is_out = [&](const Merge& merge) {
        return merge.pair != UINT64_MAX && std::ranges::binary_search(ids, merge.result);
    };
    if (std::ranges::none_of(merges_, is_out)) return;
    std::vector<Merge> all(merges_.size());  // where one was, others may have made way
    std::swap(all, merges_);
    for (const Merge& merge : all)
        if (merge.pair != UINT64_MAX && !is_out(merge)) insert_merge(merge);
}

const Bpe::Merge* Bpe::find_merge(int32_t left, int32_t right) const {
    const uint64_t pair = pair_key(left, right);
    const size_t mask = merges_.size() - 1;
    for (size_t at = hash_pair(pair) & mask;; at = (at + 1) & mask) {
        if (merges_[at].pair == pair) return &merges_[at];
        if (merges_[at].pair == UINT64_MAX) return nullptr;
    }
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& ids) const {
    if (!words_.empty())
        if (const auto whole = words_.find(std::string(word)); whole != words_.end())
            return ids.push_back(whole->second);
    const size_t first = ids.size();
    symbols_.append(word, ids);
    ids.size() - first <= kShortWord ? merge_short(first, ids) : merge_long(first, ids);
}

void Bpe::merge_short(size_t first, std::vector<int32_t>& ids) const {
    int32_t* const symbols = ids.data() + first;
    const Merge* merges[kShortWord];  // merges[i]: of symbols i and i + 1
    int n = int(ids.size() - first);
    for (int i = 0; i + 1 < n; i++) merges[i] = find_merge(symbols[i], symbols[i + 1]);
    for (;;) {
        int best = -1;
        for (int i = 0; i + 1 < n; i++)
            if (merges[i] && (best < 0 || merges[i]->rank < merges[best]->rank)) best = i;
        if (best < 0) break;
        symbols[best] = merges[best]->result;
        n--;
        std::copy(symbols + best + 2, symbols + n + 1, symbols + best + 1);
        std::copy(merges + best + 1, merges + n, merges + best);
        if (best > 0) merges[best - 1] = find_merge(symbols[best - 1], symbols[best]);
        if (best + 1 < n) merges[best] = find_merge(symbols[best], symbols[best + 1]);
    }
    ids.resize(first + size_t(n));
}

/// Merges what a window shows, then moves on by the part of it that what lies behind the window
/// cannot change. Exact, because a row of tokens is what its symbols become if and only if every
/// two neighbours are what theirs do: the first merge across a border in the whole would be made in
/// the symbols of those two just as well, since until then nothing else touches them.
/// So the one pair to look at is the one where two windows meet. A window keeps the heap in the
/// cache of the CPU, and memory bounded for a word of megabytes.
void Bpe::merge_long(size_t first, std::vector<int32_t>& ids) const {
    const std::vector<int32_t> symbols(ids.begin() + std::ptrdiff_t(first), ids.end());
    size_t window = kWindow, done = 0;  // symbols; tokens is what symbols[0, done) become
    size_t back_done = 0, back = 0;     // where to go back to: done, and size of tokens
    std::vector<Token> tokens;
    Scratch scratch;
    while (done < symbols.size()) {
        const size_t end = std::min(done + window, symbols.size());
        const size_t keep = end == symbols.size() ? end : done + window / 4 * 3;
        const size_t before = tokens.size();
        const size_t kept = merge_window(symbols, done, end, keep, scratch, tokens);
        const auto next_end = [&] {
            return before + 1 < tokens.size() ? size_t(tokens[before + 1].begin) : kept;
        };
        if (before == 0 || is_border(symbols, tokens[before - 1], tokens[before], next_end())) {
            back_done = done, back = before;
            done = kept;
            continue;
        }
        // What lies behind the last window did reach back that far: take both in one.
        tokens.resize(back);
        done = back_done;
        back_done = 0, back = 0;
        window *= 2;
    }
    ids.resize(first);
    for (const Token& token : tokens) ids.push_back(token.id);
}

bool Bpe::is_border(std::span<const int32_t> symbols, const Token& left, const Token& right,
                    size_t end) const {
    Scratch scratch;
    std::vector<Token> tokens;
    merge_window(symbols, left.begin, end, end, scratch, tokens);
    return tokens.size() == 2 && tokens[0].id == left.id && tokens[1].id == right.id;
}

size_t Bpe::merge_window(std::span<const int32_t> all, size_t begin, size_t end, size_t keep,
                         Scratch& scratch, std::vector<Token>& tokens) const {
    const auto text = all.subspan(begin, end - begin);
    const int n = int(text.size());
    auto& symbols = scratch.symbols;
    auto& heap = scratch.heap;  // rank << 32 | place: the lowest rank first, then the leftmost
    symbols.resize(text.size());
    heap.clear();
    auto propose = [&](int32_t at) {
        Symbol& left = symbols[size_t(at)];
        const Merge* merge =
            left.next < n ? find_merge(left.id, symbols[size_t(left.next)].id) : nullptr;
        left.rank = merge ? merge->rank : -1;
        if (!merge) return false;
        left.result = merge->result;
        heap.push_back(uint64_t(uint32_t(merge->rank)) << 32 | uint32_t(at));
        return true;
    };
    for (int i = 0; i < n; i++) symbols[size_t(i)] = {text[size_t(i)], i - 1, i + 1, -1, 0};
    for (int i = 0; i < n; i++) propose(i);
    std::make_heap(heap.begin(), heap.end(), std::greater<>());
    while (!heap.empty()) {
        std::pop_heap(heap.begin(), heap.end(), std::greater<>());
        const uint64_t top = heap.back();
        heap.pop_back();
        const auto at = int32_t(uint32_t(top));
        Symbol& left = symbols[size_t(at)];
        if (left.rank != int32_t(top >> 32)) continue;  // either side has changed since
        Symbol& right = symbols[size_t(left.next)];
        left.id = left.result;
        left.next = right.next;
        right.rank = -1;
        if (left.next < n) symbols[size_t(left.next)].previous = at;
        if (left.previous >= 0 && propose(left.previous))
            std::push_heap(heap.begin(), heap.end(), std::greater<>());
        if (propose(at)) std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
    size_t at = 0;
    for (; begin + at < keep; at = size_t(symbols[at].next))
        tokens.push_back({symbols[at].id, uint32_t(begin + at)});
    return begin + at;
}

}  // namespace qwend
