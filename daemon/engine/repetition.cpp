#include "daemon/engine/repetition.h"

#include <algorithm>
#include <bit>
#include <memory>
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

}  // namespace

/// 3, 4, 5 to 6, 7 to 8, 9 to 12, 13 to 16, 17 to 32, more.
int Repetition::class_of(int length) {
    constexpr std::array<int, kClasses - 1> kUpTo = {3, 4, 6, 8, 12, 16, 32};
    return static_cast<int>(std::ranges::lower_bound(kUpTo, length) - kUpTo.begin());
}

void Repetition::draft(const DraftQuery& query, std::vector<int32_t>& drafts) {
    if (query.tokens.size() != guessed_at_) {
        check_guess(query.tokens);
        index(query.tokens);
        guess(query.tokens);
    }
    std::vector<float> chances(guess_.size());
    for (size_t i = 0; i < chances.size(); ++i)
        chances[i] = records_[class_of(length_ + static_cast<int>(i))].rate();
    const size_t n = n_worthwhile(chances, row_cost_, query.waiting);
    drafts.assign(guess_.begin(), guess_.begin() + static_cast<ptrdiff_t>(n));
}

/// Records how good the last guess was, as far as the text went on since. It counts whether or not
/// it was thought worth a row.
void Repetition::check_guess(std::span<const int32_t> tokens) {
    for (size_t i = 0; i < guess_.size() && guessed_at_ + i < tokens.size(); ++i) {
        const bool is_right = guess_[i] == tokens[guessed_at_ + i];
        records_[class_of(length_ + static_cast<int>(i))].add(is_right);
        if (!is_right) return;
    }
}

void Repetition::index(std::span<const int32_t> tokens) {
    if (heads_.size() < tokens.size()) rehash(tokens, std::bit_ceil(tokens.size()));
    while (previous_.size() < tokens.size()) insert(tokens, previous_.size());
}

void Repetition::rehash(std::span<const int32_t> tokens, size_t n_heads) {
    const size_t n_indexed = previous_.size();
    heads_.assign(n_heads, -1);
    previous_.clear();
    previous_.reserve(tokens.size());
    while (previous_.size() < n_indexed) insert(tokens, previous_.size());
}

void Repetition::insert(std::span<const int32_t> tokens, size_t end) {
    if (end + 1 < kShortest) return previous_.push_back(-1);
    int32_t& head = heads_[hash_of(tokens, end) & (heads_.size() - 1)];
    previous_.push_back(std::exchange(head, static_cast<int32_t>(end)));
}

/// How many tokens that end at `end` are the text's last.
int Repetition::match(std::span<const int32_t> tokens, size_t end) const {
    int length = 0;
    for (size_t last = tokens.size() - 1; length < kLongest; ++length)
        if (static_cast<size_t>(length) > end || tokens[end - length] != tokens[last - length])
            break;
    return length;
}

/// Continues the longest match, the latest among equals. One that reaches the end of the text goes
/// on into what is guessed: such a text is periodic.
void Repetition::guess(std::span<const int32_t> tokens) {
    guess_.clear();
    guessed_at_ = tokens.size();
    length_ = kShortest - 1;
    int32_t best = -1;
    int n_seen = 0, n_tried = 0;
    for (int32_t end = previous_.back(); end >= 0 && n_tried < kMostTried && length_ < kLongest;
         end = previous_[end]) {
        if (++n_seen > kMostSeen) break;
        const int length = match(tokens, end);
        if (length >= kShortest) ++n_tried;  // else only the hash is the same
        if (length > length_) length_ = length, best = end;
    }
    if (best < 0) return;
    for (int i = 0; i < n_most_; ++i) {
        const size_t from = static_cast<size_t>(best) + 1 + i;
        guess_.push_back(from < tokens.size() ? tokens[from] : guess_[from - tokens.size()]);
    }
}

Drafter draft_repetitions(float row_cost, int max_drafts) {
    const auto repetition = std::make_shared<Repetition>(row_cost, max_drafts);
    return {max_drafts, [repetition](const DraftQuery& query, std::vector<int32_t>& drafts) {
                repetition->draft(query, drafts);
                return DraftSource::repetition;
            }};
}

}  // namespace qwend
