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
    return {max_drafts, [first = std::move(first), second = std::move(second)](
                            const DraftQuery& query, std::vector<int32_t>& drafts) {
                first.draft(query, drafts);
                if (drafts.empty()) second.draft(query, drafts);
            }};
}

std::vector<int32_t> drafts_of(const Sequence& sequence, int n_most, float waiting, int n_vocab) {
    std::vector<int32_t> drafts;
    const auto known = std::span(sequence.tokens).first(sequence.n_known());
    sequence.drafter->draft({known, n_most, waiting}, drafts);
    if (drafts.size() > static_cast<size_t>(n_most)) drafts.resize(n_most);
    drafts.erase(std::ranges::find_if(drafts, [=](int32_t id) { return id < 0 || id >= n_vocab; }),
                 drafts.end());
    return drafts;
}

int add_drafts(Sequence& sequence, int n_most, float waiting, int n_vocab) {
    const std::vector<int32_t> drafts = drafts_of(sequence, n_most, waiting, n_vocab);
    sequence.tokens.insert(sequence.tokens.end(), drafts.begin(), drafts.end());
    sequence.n_pending += static_cast<int>(drafts.size());
    return static_cast<int>(drafts.size());
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
