#include "model/text/bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <functional>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kShortWord = 32;  // bytes; below, scanning beats a heap
constexpr size_t kWindow = 512;    // bytes; a heap of so many pairs stays in a core's own cache

/// GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes for U+0100 onwards.
std::array<int16_t, 512> make_alphabet() {
    std::array<int16_t, 512> byte_of;
    byte_of.fill(-1);
    int next = 256;
    for (int b = 0; b < 256; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        byte_of[printable ? b : next++] = int16_t(b);
    }
    return byte_of;
}

uint64_t pair_key(int32_t left, int32_t right) {
    return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

size_t hash_pair(uint64_t pair) {
    return size_t((pair * 0x9E3779B97F4A7C15u) >> 20);
}

}  // namespace

bool bytes_from_alphabet(std::string_view token, std::string& bytes) {
    static const std::array<int16_t, 512> byte_of = make_alphabet();
    bytes.clear();
    for (size_t at = 0; at < token.size();) {
        DecodedChar c = utf8_at(token, at);
        if (!c.valid || c.code_point >= int32_t(byte_of.size()) || byte_of[c.code_point] < 0)
            return false;
        bytes.push_back(char(byte_of[c.code_point]));
        at += c.length;
    }
    return true;
}

Bpe::Bpe(const std::vector<std::pair<std::string_view, int32_t>>& vocab,
         const std::vector<std::pair<std::string_view, std::string_view>>& merges,
         const std::string& source, bool ignore_merges) {
    std::unordered_map<std::string_view, int32_t> ids;
    ids.reserve(vocab.size() * 2);
    byte_ids_.fill(-1);
    std::string bytes;
    for (auto [token, id] : vocab) {
        if (size_t(id) >= token_bytes_.size()) token_bytes_.resize(size_t(id) + 1);
        ids.emplace(token, id);
        if (!bytes_from_alphabet(token, bytes)) {  // no text is encoded as it, but it has a text
            token_bytes_[id] = token;
            continue;
        }
        if (bytes.size() == 1) byte_ids_[uint8_t(bytes[0])] = id;
        token_bytes_[id] = bytes;
        if (ignore_merges) words_.emplace(bytes, id);
    }
    for (int b = 0; b < 256; b++)
        if (byte_ids_[b] < 0)
            throw LoadError(fmt::format(
                "{}: no token for the byte {:#04x} in the byte-level alphabet", source, b));

    merges_.resize(std::bit_ceil(std::max<size_t>(merges.size() * 2, 16)));
    std::string joined;
    for (size_t rank = 0; rank < merges.size(); rank++) {
        auto [left, right] = merges[rank];
        joined.assign(left).append(right);
        auto a = ids.find(left), b = ids.find(right), result = ids.find(joined);
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
    word.size() <= kShortWord ? encode_short(word, ids) : encode_long(word, ids);
}

void Bpe::encode_short(std::string_view word, std::vector<int32_t>& ids) const {
    int32_t symbols[kShortWord];
    const Merge* merges[kShortWord];  // merges[i]: of symbols i and i + 1
    int n = int(word.size());
    for (int i = 0; i < n; i++) symbols[i] = byte_ids_[uint8_t(word[i])];
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
    ids.insert(ids.end(), symbols, symbols + n);
}

/// Merges what a window shows, then moves on by the part of it that what lies behind the window
/// cannot change. Exact, because a row of tokens is the encoding of its text if and only if every
/// two neighbours are the encoding of theirs: the first merge across a border in the whole text
/// would be made in the text of those two just as well, since until then nothing else touches them.
/// So the one pair to look at is the one where two windows meet. A window keeps the heap in the
/// cache of the CPU, and memory bounded for a word of megabytes.
void Bpe::encode_long(std::string_view word, std::vector<int32_t>& ids) const {
    size_t window = kWindow, done = 0;  // bytes of the word; ids is the encoding of word[0, done)
    size_t back_done = 0, back = ids.size();  // where to go back to: done, and size of ids
    const size_t first = ids.size();
    Scratch scratch;
    while (done < word.size()) {
        const std::string_view seen = word.substr(done, window);
        const size_t keep = done + seen.size() == word.size() ? seen.size() : seen.size() / 4 * 3;
        const size_t before = ids.size();
        const size_t kept = merge_window(seen, keep, scratch, ids);
        if (before == first || is_border(ids[before - 1], ids[before])) {
            back_done = done, back = before;
            done += kept;
            continue;
        }
        // What lies behind the last window did reach back that far: take both in one.
        ids.resize(back);
        done = back_done;
        back_done = 0, back = first;
        window *= 2;
    }
}

bool Bpe::is_border(int32_t left, int32_t right) const {
    const std::string both = token_bytes_[size_t(left)] + token_bytes_[size_t(right)];
    Scratch scratch;
    std::vector<int32_t> ids;
    merge_window(both, both.size(), scratch, ids);
    return ids.size() == 2 && ids[0] == left && ids[1] == right;
}

size_t Bpe::merge_window(std::string_view text, size_t keep, Scratch& scratch,
                         std::vector<int32_t>& ids) const {
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
    for (int i = 0; i < n; i++)
        symbols[size_t(i)] = {byte_ids_[uint8_t(text[size_t(i)])], i - 1, i + 1, -1, 0};
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
    for (; at < keep; at = size_t(symbols[at].next)) ids.push_back(symbols[at].id);
    return at;
}

}  // namespace qwend
