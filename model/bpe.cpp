#include "model/bpe.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <queue>

#include "model/error.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kShortWord = 32;  // bytes; below, scanning beats a heap

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
         const std::string& source) {
    std::unordered_map<std::string_view, int32_t> ids;
    ids.reserve(vocab.size() * 2);
    byte_ids_.fill(-1);
    std::string bytes;
    for (auto [token, id] : vocab) {
        if (!bytes_from_alphabet(token, bytes))
            throw LoadError(fmt::format("{}: token {} \"{}\": expected the byte-level alphabet",
                                        source, id, token));
        if (size_t(id) >= token_bytes_.size()) token_bytes_.resize(size_t(id) + 1);
        if (bytes.size() == 1) byte_ids_[uint8_t(bytes[0])] = id;
        token_bytes_[id] = bytes;
        ids.emplace(token, id);
    }
    for (int b = 0; b < 256; b++)
        if (byte_ids_[b] < 0)
            throw LoadError(fmt::format("{}: no token for the byte {:#04x}", source, b));

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

void Bpe::encode_long(std::string_view word, std::vector<int32_t>& ids) const {
    struct Symbol {
        int32_t id, previous, next;  // id -1: merged away
    };
    struct Candidate {
        int32_t rank, at, left, right, result;
        bool operator>(const Candidate& o) const {
            return rank > o.rank || (rank == o.rank && at > o.at);
        }
    };
    const int n = int(word.size());
    std::vector<Symbol> symbols(n);
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
    auto propose = [&](int32_t at) {
        if (at < 0 || symbols[at].next < 0) return;
        int32_t left = symbols[at].id, right = symbols[symbols[at].next].id;
        if (const Merge* merge = find_merge(left, right))
            queue.push({merge->rank, at, left, right, merge->result});
    };
    for (int i = 0; i < n; i++)
        symbols[i] = {byte_ids_[uint8_t(word[i])], i - 1, i + 1 < n ? i + 1 : -1};
    for (int i = 0; i + 1 < n; i++) propose(i);
    while (!queue.empty()) {
        Candidate c = queue.top();
        queue.pop();
        Symbol& left = symbols[c.at];
        // A candidate is stale once either side has changed since it was proposed.
        if (left.id != c.left || left.next < 0 || symbols[left.next].id != c.right) continue;
        Symbol& right = symbols[left.next];
        right.id = -1;
        left.id = c.result;
        left.next = right.next;
        if (left.next >= 0) symbols[left.next].previous = c.at;
        propose(left.previous);
        propose(c.at);
    }
    for (int32_t at = 0; at >= 0; at = symbols[at].next) ids.push_back(symbols[at].id);
}

}  // namespace qwend
