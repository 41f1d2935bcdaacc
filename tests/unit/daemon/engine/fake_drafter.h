#pragma once

#include <memory>
#include <random>
#include <stdexcept>

#include "tests/unit/daemon/engine/fake_backend.h"

namespace qwend {

/// broken: right ones, but too many, and among them ids that are none.
enum class Guesses { right, wrong, mixed, broken };

/// Drafts for this request on a FakeBackend.
inline Drafter fake_drafter(const GenerationRequest& request, int max_drafts, Guesses guesses,
                            uint32_t seed = 1) {
    auto random = std::make_shared<std::mt19937>(seed);
    auto draft = [=, is_constrained = request.constraint.has_value(),
                  n_prompt = request.prompt.size(), key = request.sampling.seed](
                     const DraftQuery& query, std::vector<int32_t>& drafts) {
        const auto [tokens, n_most, _] = query;
        if (n_most < 1 || n_most > max_drafts || !drafts.empty())
            throw std::logic_error("drafter: asked for what it does not give");
        FakeStream stream(tokens.first(n_prompt), key, is_constrained);
        for (const int32_t token : tokens.subspan(n_prompt)) {
            if (token < 0) throw std::logic_error("drafter: asked before the last token is known");
            stream.push(token);
        }
        auto pick = [&](uint32_t n) { return (*random)() % n; };
        const int n = guesses == Guesses::mixed ? static_cast<int>(pick(n_most + 1)) : n_most;
        for (int i = 0; i < (guesses == Guesses::broken ? n + 2 : n); ++i) {
            const int32_t next = std::max(stream.next(), 0);
            const bool is_wrong =
                guesses == Guesses::wrong || (guesses == Guesses::mixed && pick(3) == 0);
            drafts.push_back(is_wrong
                                 ? (next + 1 + static_cast<int32_t>(pick(9))) % FakeBackend::n_vocab
                                 : next);
            stream.push(drafts.back());
        }
        if (guesses == Guesses::broken)
            drafts[pick(static_cast<uint32_t>(drafts.size()))] =
                pick(2) ? FakeBackend::n_vocab : -static_cast<int32_t>(pick(9)) - 1;
        return DraftSource::repetition;
    };
    return {max_drafts, std::move(draft)};
}

}  // namespace qwend
