#include "daemon/engine/repetition.h"

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace qwend {
namespace {

/// What follows the match. One that reaches the end of the text goes on into what is guessed: such
/// a text is periodic.
std::vector<int32_t> continue_match(std::span<const int32_t> tokens, TextIndex::Match match,
                                    int n_most) {
    std::vector<int32_t> guess;
    for (int i = 0; match.end >= 0 && i < n_most; ++i) {
        const size_t from = static_cast<size_t>(match.end) + 1 + static_cast<size_t>(i);
        guess.push_back(from < tokens.size() ? tokens[from] : guess[from - tokens.size()]);
    }
    return guess;
}

}  // namespace

void Repetition::draft(const DraftQuery& query, std::vector<int32_t>& drafts) {
    const auto tokens = query.tokens;
    if (!guess_.is_for(tokens.size())) {
        guess_.check(tokens, records_);
        index_.extend(tokens);
        const TextIndex::Match match = index_.earlier(tokens);
        guess_.set(tokens.size(), match.length, continue_match(tokens, match, n_most_));
    }
    guess_.draft(records_, row_cost_, query.waiting, drafts);
}

Drafter draft_repetitions(float row_cost, int max_drafts) {
    const auto repetition = std::make_shared<Repetition>(row_cost, max_drafts);
    return {.max_drafts = max_drafts,
            .draft =
                [repetition](const DraftQuery& query, std::vector<int32_t>& drafts) {
                    repetition->draft(query, drafts);
                    return DraftSource::repetition;
                },
            .learns = true};
}

}  // namespace qwend
