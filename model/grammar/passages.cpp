#include "model/grammar/passages.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "model/grammar/character_scan.h"
#include "model/grammar/common_passages.h"

namespace qwend::grammar {

namespace {

using Kind = Automaton::Way::Kind;

}  // namespace

size_t Passage::n_bytes() const {
    return sizeof(Passage) + (within.size() + at_end.size()) * sizeof(Token) +
           exits.size() * sizeof(Exit) + exits_of.size() * sizeof(ExitsOfByte) + own.size() * 4;
}

size_t PassageKeyHash::operator()(const PassageKey& key) const {
    uint64_t hash = uint64_t(key.language) << 32 | key.open;
    hash = (hash ^ reinterpret_cast<uintptr_t>(key.taken) ^ uint64_t(key.kind) << 28 ^
            uint64_t(key.is_last) << 27) *
           0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

const Passage& Passages::of(const Automaton::Way& way) {
    const bool is_taken = way.taken_at != KeyTrie::kNowhere;
    const PassageKey key{way.kind, way.is_last, way.language, is_taken ? way.taken_at : way.open,
                         is_taken ? way.taken : nullptr};
    const auto known = passages_.find(key);
    if (known != passages_.end()) return *known->second.passage;
    const bool is_common = common_ && !is_taken && way.language < languages_.base()->size();
    const Passage* shared = is_common ? common_->find(key) : nullptr;
    Found found;
    if (!shared) {
        auto passage = std::make_unique<Passage>();
        find(way, *passage);
        if (is_common) shared = common_->add(key, std::move(*passage));
        if (!shared) {
            n_bytes_ += passage->n_bytes() + 64;
            if (!passage->own.empty()) passage->wide = &passage->own;
            found.own = std::move(passage);
        }
    }
    found.passage = shared ? shared : found.own.get();
    return *(passages_[key] = std::move(found)).passage;
}

/// What comes behind a byte.
struct Passages::Step {
    Place to{};
    bool is_within = false;  // the language can go on
    bool is_end = false;     // or it may have ended here
    uint32_t n_characters = 0;
};

template <Kind kKind>
Passages::Step Passages::step(const Automaton::Way& way, const Place& from, uint8_t byte) {
    Step step;
    step.to = {languages_.after(from.language, byte), from.characters};
    if (step.to.language == Languages::kNothing) return step;
    const bool may_end = languages_.has_empty(step.to.language);
    step.is_within = step.to.language != Languages::kEmpty || kKind == Kind::counted;
    step.is_end = may_end;
    if constexpr (kKind == Kind::counted) {
        CharacterScan scan = CharacterScan::from(from.characters);
        scan.read(byte);
        step.to.characters = scan.packed();
        step.n_characters = scan.count;
        step.is_end = may_end && scan.state == 0;
        // The last one that there may be: it is as good as one more if nothing can end here.
        if (scan.state == 0 && !may_end) step.n_characters++;
    } else if constexpr (kKind == Kind::name) {
        uint32_t& at = step.to.characters;
        if (at != KeyTrie::kNowhere) at = way.taken->after(at, byte);
        step.is_within = !may_end;
        step.is_end = may_end && (at == KeyTrie::kNowhere || way.taken->key(at) == KeyTrie::kNoKey);
    }
    return step;
}

void Passages::find(const Automaton::Way& way, Passage& passage) {
    passage.trie = &vocabulary_.all();
    through_.allow_work();
    take_slice(way, passage);
    if (!path_) path_ = std::make_unique<std::array<Place, Vocabulary::kMaxDepth + 1>>();
    (*path_)[0] = {way.language,
                   way.kind == Kind::name ? way.taken_at : CharacterScan{0, way.open}.packed()};
    if (way.kind == Kind::text)
        walk<Kind::text>(way, passage);
    else if (way.kind == Kind::counted)
        walk<Kind::counted>(way, passage);
    else
        walk<Kind::name>(way, passage);
    sort_exits(passage);
    widen(passage, way.kind == Kind::counted);
}

template <Kind kKind>
void Passages::walk(const Automaton::Way& way, Passage& passage) {
    constexpr uint32_t kFew = 8;  // nodes, which are walked as quickly
    const Vocabulary::Trie& trie = *passage.trie;
    for (uint32_t i = 0; i < trie.size();) {
        const Vocabulary::Node& node = trie[i];
        if (!(node.whole & ~passage.groups)) {
            i = node.end;
            continue;
        }
        const Place& from = (*path_)[node.depth - 1u];
        if (node.end - i > kFew && add_all(way, from, i, passage)) {
            i = node.end;
            continue;
        }
        const Step at = step<kKind>(way, from, node.byte);
        if (node.token >= 0 && (at.is_within || at.is_end) &&
            (vocabulary_.groups(node.token) & ~passage.groups))
            (at.is_within ? passage.within : passage.at_end)
                .push_back({node.token, at.n_characters});
        if (at.is_end && !way.is_last) add_exits(passage, i, at.n_characters);
        i = at.is_within ? i + 1 : node.end;
        (*path_)[node.depth] = at.to;
    }
}

/// Of the tokens that are made of characters which lead through the language.
void Passages::take_slice(const Automaton::Way& way, Passage& passage) {
    const Through& through = through_.of(way.language);
    if (!through.groups || (way.kind == Kind::name && through.may_end) ||
        (way.kind == Kind::counted && !through.always_ends))
        return;
    const Vocabulary::Slice* slice = vocabulary_.slice(through.groups);
    if (!slice) return;
    passage.groups = through.groups, passage.max_characters = slice->max_characters;
    passage.wide = &slice->tokens;
    passage.n_most = through.n_most;
    if (!slice->others.empty()) passage.trie = &slice->others;
}

/// Adds the tokens at a node and below it, if it is known that none of them leaves the language.
bool Passages::add_all(const Automaton::Way& way, const Place& from, uint32_t index,
                       Passage& passage) {
    const Vocabulary::Trie& trie = *passage.trie;
    const Vocabulary::Node& node = trie[index];
    const Through& through = through_.of(from.language);
    const bool is_in_character = node.byte >= 0x80 && node.byte < 0xC0;
    if ((node.rest & ~through.groups) || through.n_most != kUnbounded || is_in_character ||
        (way.kind == Kind::name && through.may_end))
        return false;
    const bool is_counted = way.kind == Kind::counted;
    int before = 0;  // characters that are counted before the node, without those that it shows
    if (is_counted) {
        const CharacterScan scan = CharacterScan::from(from.characters);
        uint32_t first = index;
        while (trie[first].token < 0) first++;
        const std::string_view prefix =
            vocabulary_.bytes(trie[first].token).substr(0, node.depth - 1u);
        if (!through.always_ends || scan.state != 0 ||
            std::ranges::any_of(prefix, [](char c) { return uint8_t(c) >= 0x80; }))
            return false;
        before = int(scan.count) - int(prefix.size());
        passage.more_groups |= node.rest;
    }
    for (uint32_t i = index; i < node.end; i++) {
        const int32_t token = trie[i].token;
        if (token < 0) continue;
        const int n = is_counted ? before + int(vocabulary_.n_characters(token)) : 0;
        passage.within.push_back({token, uint32_t(n)});
    }
    return true;
}

void Passages::add_exits(Passage& passage, uint32_t node, uint32_t n_characters) {
    const Vocabulary::Trie& trie = *passage.trie;
    for (uint32_t i = node + 1; i < trie[node].end; i = trie[i].end)
        if (trie[i].whole & ~passage.groups) passage.exits.push_back({i, n_characters});
}

void Passages::sort_exits(Passage& passage) {
    const Vocabulary::Trie& trie = *passage.trie;
    std::array<uint32_t, 257> begin{};
    for (const Passage::Exit& exit : passage.exits) begin[trie[exit.node].byte + 1u]++;
    for (size_t byte = 0; byte < 256; byte++) {
        const uint32_t n = begin[byte + 1];
        if (n) passage.exits_of.push_back({uint8_t(byte), begin[byte]});
        begin[byte + 1] += begin[byte];
    }
    if (passage.exits.empty()) return;
    passage.exits_of.push_back({0, uint32_t(passage.exits.size())});
    std::vector<Passage::Exit> sorted(passage.exits.size());
    for (const Passage::Exit& exit : passage.exits) sorted[begin[trie[exit.node].byte]++] = exit;
    passage.exits = std::move(sorted);
}

/// Where there are many tokens, they are a bit each, which takes less room.
void Passages::widen(Passage& passage, bool is_counted) {
    if (passage.within.size() * sizeof(Passage::Token) < vocabulary_.n_words() * 4) return;
    passage.own = passage.wide ? *passage.wide : Vocabulary::Bits(vocabulary_.n_words());
    if (passage.n_most != kUnbounded)
        for (size_t i = 0; i < passage.own.size(); i++)
            passage.own[i] &= vocabulary_.up_to(passage.n_most)[i];
    std::erase_if(passage.within, [&](const Passage::Token& token) {
        if (is_counted && vocabulary_.n_characters(token.id) != token.n_characters) return false;
        passage.own[size_t(token.id) / 32] |= uint32_t(1) << (token.id % 32);
        return true;
    });
    passage.within.shrink_to_fit();
}

}  // namespace qwend::grammar
