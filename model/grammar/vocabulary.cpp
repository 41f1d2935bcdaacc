#include "model/grammar/vocabulary.h"

#include <algorithm>
#include <utility>

#include "model/utf8.h"

namespace qwend::grammar {

uint32_t characters::group_of(uint8_t byte) {
    if (byte < 0x20) return kControl;
    if (byte >= 'a' && byte <= 'z') return kLower;
    if (byte >= 'A' && byte <= 'Z') return kUpper;
    if (byte >= '0' && byte <= '9') return kDigit;
    switch (byte) {
        case '"':
            return kQuote;
        case '\\':
            return kBackslash;
        case ' ':
            return 1 << 6;
        case '_':
            return 1 << 7;
        case '-':
            return 1 << 8;
        case '.':
            return 1 << 9;
        case '/':
            return 1 << 10;
        case ':':
            return 1 << 11;
        case '<':  // begins the tags that end free text
            return 1 << 12;
        default:
            return 1 << 13;
    }
}

std::string special_token_bytes(int32_t id) {
    return "\xFF" + std::to_string(id) + "\xFE";
}

Vocabulary::Vocabulary(std::vector<std::string_view> views)
    : bytes_(std::move(views)),
      n_words_((bytes_.size() + 31) / 32),
      groups_(bytes_.size()),
      n_characters_(bytes_.size()) {
    const std::vector<std::string_view>& bytes = bytes_;
    std::vector<std::pair<std::string_view, int32_t>> sorted;
    for (size_t id = 0; id < bytes.size(); id++) {
        if (bytes[id].empty() || bytes[id].size() > kMaxDepth) {
            groups_[id] = characters::kBroken;
            continue;
        }
        describe(int32_t(id), bytes[id]);
        sorted.emplace_back(bytes[id], int32_t(id));
    }
    std::ranges::sort(sorted);
    build(sorted);
    sort_by_length();
    slice(characters::kText);
}

namespace {

uint32_t group_of(const DecodedChar& c) {
    if (c.code_point < 0x80) return characters::group_of(uint8_t(c.code_point));
    const bool is_separator = c.code_point == 0x2028 || c.code_point == 0x2029;
    return is_separator ? characters::kSeparators : characters::kNonAscii;
}

}  // namespace

void Vocabulary::describe(int32_t token, std::string_view bytes) {
    uint32_t groups = 0, n_characters = 0, n_commas = 0, n_in_word = 0;
    for (size_t at = 0; at < bytes.size(); n_characters++) {
        const DecodedChar c = utf8_at(bytes, at);
        n_in_word = c.valid && (group_of(c) & characters::kWord) ? n_in_word + 1 : 0;
        max_word_ = std::max(max_word_, n_in_word);
        if (c.code_point == ',' && (at == 0 || bytes[at - 1] != ',')) n_commas++;
        if (c.valid) {
            groups |= group_of(c);
            at += size_t(c.length);
            continue;
        }
        // What is broken may go on where a text that was cut does: its characters count as well.
        const bool cut = utf8_settled_length(bytes) == at;
        groups |= cut ? characters::kCut : characters::kBroken;
        at = cut ? bytes.size() : at + 1;
    }
    groups_[size_t(token)] = groups;
    n_characters_[size_t(token)] = uint8_t(n_characters);
    max_characters_ = std::max(max_characters_, n_characters);
    max_commas_ = std::max(max_commas_, n_commas);
}

void Vocabulary::build(std::vector<std::pair<std::string_view, int32_t>>& sorted) {
    std::vector<uint32_t> open;  // nodes on the way to the last token
    auto close = [&](size_t depth) {
        for (; open.size() > depth; open.pop_back()) {
            Node& node = all_[open.back()];
            node.end = uint32_t(all_.size());
            if (open.size() < 2) continue;
            Node& parent = all_[open[open.size() - 2]];
            parent.rest |= node.rest;
            parent.whole |= node.whole;
        }
    };
    std::string_view last;
    int32_t last_token = -1;
    for (const auto& [bytes, token] : sorted) {
        if (bytes == last) {
            twins_.emplace_back(last_token, token);
            continue;
        }
        const auto [a, b] = std::ranges::mismatch(bytes, last);
        const auto common = size_t(a - bytes.begin());
        close(common);
        for (size_t i = common; i < bytes.size(); i++) {
            open.push_back(uint32_t(all_.size()));
            add_node(bytes, i);
        }
        all_.back().token = token;
        all_.back().whole = groups_[size_t(token)];
        all_.back().rest |= groups_[size_t(token)] & (characters::kCut | characters::kBroken);
        last = bytes, last_token = token;
    }
    close(0);
}

/// For the byte at `at`, with the group of the character that ends there.
void Vocabulary::add_node(std::string_view bytes, size_t at) {
    uint32_t groups = 0;
    for (size_t back = 0; back < 4 && back <= at; back++) {
        const auto byte = uint8_t(bytes[at - back]);
        if (byte >= 0x80 && byte < 0xC0) continue;
        const DecodedChar c = utf8_at(bytes, at - back);
        if (c.valid && size_t(c.length) == back + 1) groups = group_of(c);
        break;
    }
    all_.push_back({.end = 0,
                    .token = -1,
                    .rest = groups,
                    .depth = uint8_t(at + 1),
                    .whole = 0,
                    .byte = uint8_t(bytes[at])});
}

void Vocabulary::sort_by_length() {
    std::vector<std::vector<uint32_t>> ids_of(max_characters_ + 1);
    for (size_t id = 0; id < n_characters_.size(); id++)
        ids_of[n_characters_[id]].push_back(uint32_t(id));
    Bits bits(n_words_);
    for (const std::vector<uint32_t>& ids : ids_of) {
        for (const uint32_t id : ids) bits[id / 32] |= uint32_t(1) << (id % 32);
        up_to_.push_back(bits);
    }
}

const Vocabulary::Slice* Vocabulary::slice(uint32_t groups) const {
    const std::lock_guard lock(mutex_);
    const auto at = slices_.find(groups);
    if (at != slices_.end()) return &at->second;
    if (slices_.size() >= kMaxSlices) return nullptr;
    Slice slice;
    slice.tokens.resize(n_words_);
    size_t n = 0;
    for (size_t id = 0; id < groups_.size(); id++) {
        const bool is_in = (groups_[id] & ~groups) == 0;
        slice.tokens[id / 32] |= uint32_t(is_in) << (id % 32);
        if (!is_in) continue;
        n++;
        slice.max_characters = std::max(slice.max_characters, uint32_t(n_characters_[id]));
    }
    if (n > groups_.size() / 4 * 3) slice.others = without(groups);
    return &slices_.emplace(groups, std::move(slice)).first->second;
}

Vocabulary::Trie Vocabulary::without(uint32_t groups) const {
    Trie out;
    std::vector<uint32_t> open;  // of `out`, on the way to what comes next
    auto close = [&](size_t depth) {
        for (; open.size() > depth; open.pop_back()) out[open.back()].end = uint32_t(out.size());
    };
    for (uint32_t i = 0; i < all_.size();) {
        const Node& node = all_[i];
        if (!(node.whole & ~groups)) {
            i = node.end;
            continue;
        }
        close(node.depth - 1u);
        open.push_back(uint32_t(out.size()));
        out.push_back(node);
        if (node.token >= 0 && !(groups_[size_t(node.token)] & ~groups)) out.back().token = -1;
        i++;
    }
    close(0);
    return out;
}

}  // namespace qwend::grammar
