#include "daemon/engine/speculation.h"

#include <algorithm>
#include <utility>

#include "daemon/engine/sequence.h"

namespace qwend {

size_t n_worthwhile(std::span<const float> chances, float row_cost, float waiting) {
    constexpr float kMargin = 1.5f;
    size_t n = 0;
    float all_right = 1, gain = 0;
    for (; n < chances.size(); ++n) {
        all_right *= chances[n];
        if (all_right < kMargin * row_cost) break;
        gain += all_right - row_cost;
    }
    return gain > kMargin * waiting ? n : 0;
}

Drafter first_of(Drafter first, Drafter second) {
    const int max_drafts = std::max(first.max_drafts, second.max_drafts);
    const bool learns = first.learns || second.learns;
    return {.max_drafts = max_drafts,
            .draft =
                [first = std::move(first), second = std::move(second)](
                    const DraftQuery& query, std::vector<int32_t>& drafts) {
                    const DraftSource source = first.draft(query, drafts);
                    return drafts.empty() ? second.draft(query, drafts) : source;
                },
            .learns = learns};
}

Drafts drafts_of(const Sequence& sequence, int n_most, float waiting, int n_vocab) {
    const auto known = std::span(sequence.tokens).first(sequence.n_known());
    Drafts drafts;
    std::vector<int32_t>& ids = drafts.ids;
    drafts.source = sequence.drafter->draft({known, n_most, waiting}, ids);
    if (ids.size() > static_cast<size_t>(n_most)) ids.resize(n_most);
    ids.erase(std::ranges::find_if(ids, [=](int32_t id) { return id < 0 || id >= n_vocab; }),
              ids.end());
    return drafts;
}

int add_drafts(Sequence& sequence, int n_most, float waiting, int n_vocab) {
    const auto [ids, source] = drafts_of(sequence, n_most, waiting, n_vocab);
    sequence.tokens.insert(sequence.tokens.end(), ids.begin(), ids.end());
    sequence.n_pending += static_cast<int>(ids.size());
    sequence.draft_source = source;
    return static_cast<int>(ids.size());
}

int reject_drafts(Sequence& sequence, std::span<const SampledToken> samples) {
    const int n_samples = static_cast<int>(samples.size());
    const int32_t* drafts = sequence.tokens.data() + sequence.n_known();
    int n_accepted = 1;
    while (n_accepted < n_samples && samples[n_accepted - 1].token == drafts[n_accepted - 1])
        ++n_accepted;
    const int n_rejected = std::max(0, n_samples - n_accepted);
    sequence.n_pending -= n_rejected;
    sequence.tokens.resize(sequence.tokens.size() - n_rejected);
    return n_rejected;
}

}  // namespace qwend
