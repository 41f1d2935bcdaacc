#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "daemon/engine/constraint.h"
#include "model/sampling.h"

namespace qwend {

/// A grammar without a meaning: what may come next is a pure function of the output so far. A
/// quarter of the vocabulary may, as a rule; here and there nothing, and here and there it ends.
struct FakeGrammar {
    uint64_t state = 1;

    void accept(int32_t token) {
        state = (state + static_cast<uint32_t>(token) + 1) * 0x94d049bb133111ebu;
        state ^= state >> 31;
    }
    bool is_dead_end() const { return state % 61 == 0; }
    Completeness completeness() const {
        if (state % 67 == 0) return Completeness::final;
        return state % 2 == 0 ? Completeness::partial : Completeness::complete;
    }
    bool allows(int32_t token) const {
        const uint64_t h = (state ^ static_cast<uint32_t>(token)) * 0xff51afd7ed558ccdu;
        return !is_dead_end() && (h >> 40) % 4 == 0;
    }
    void fill(std::span<uint32_t> mask) const {
        std::ranges::fill(mask, 0);
        for (size_t id = 0; id < mask.size() * 32; ++id)
            mask[id / 32] |= uint32_t{allows(static_cast<int32_t>(id))} << id % 32;
    }
};

/// One for each sequence. `told` gets every token the constraint is told.
inline Constraint fake_constraint(std::shared_ptr<std::vector<int32_t>> told = nullptr) {
    constexpr int n_vocab = 97;  // FakeBackend's
    auto grammar = std::make_shared<FakeGrammar>();
    auto words = std::make_shared<std::vector<uint32_t>>();
    return {[grammar, words](std::span<const int32_t> drafts, std::span<VocabularyMask> found) {
                const size_t n_words = mask_words(n_vocab);
                words->assign(n_words * found.size(), 0);
                const std::span<uint32_t> masks(*words);
                for (size_t i = 0; i < found.size(); ++i)
                    found[i] = {words->data() + i * n_words, 0};
                FakeGrammar ahead = *grammar;
                ahead.fill(masks.first(n_words));
                bool possible = true;
                for (size_t i = 0; i < drafts.size(); ++i) {
                    possible = possible && ahead.allows(drafts[i]);
                    ahead.accept(drafts[i]);
                    const auto mask = masks.subspan((i + 1) * n_words, n_words);
                    ahead.fill(mask);
                    if (!possible) std::ranges::fill(mask, 0);  // must never be looked at
                }
            },
            [grammar, told](int32_t token) {
                if (!grammar->allows(token)) throw std::logic_error("grammar: a token it forbids");
                grammar->accept(token);
                if (told) told->push_back(token);
            },
            [grammar] { return grammar->completeness(); }};
}

}  // namespace qwend
