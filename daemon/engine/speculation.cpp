#include "daemon/engine/speculation.h"

#include <algorithm>

#include "daemon/engine/sequence.h"

namespace qwend {

int add_drafts(Sequence& sequence, int n_most, int n_vocab) {
    std::vector<int32_t> drafts;
    sequence.drafter->draft(sequence.tokens, n_most, drafts);
    if (drafts.size() > static_cast<size_t>(n_most)) drafts.resize(n_most);
    drafts.erase(std::ranges::find_if(drafts, [=](int32_t id) { return id < 0 || id >= n_vocab; }),
                 drafts.end());
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
