#include "daemon/api/bad_words.h"

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

using Ids = std::vector<int32_t>;

class Ban {
  public:
    Ban(std::shared_ptr<const BannedSequences> sequences, int n_vocab)
        : sequences_(std::move(sequences)), n_vocab_(n_vocab) {
        for (const Ids& ids : *sequences_) n_kept_ = std::max(n_kept_, ids.size() - 1);
    }

    void accept(int32_t token) {
        output_.push_back(token);
        // In blocks, so that it costs nothing a token.
        if (output_.size() >= 2 * n_kept_) output_.erase(output_.begin(), output_.end() - n_kept_);
    }

    void find(std::span<const int32_t> drafts, std::span<VocabularyMask> masks) {
        const size_t n_words = mask_words(n_vocab_), n_output = output_.size();
        words_.assign(n_words * masks.size(), ~uint32_t(0));
        for (size_t i = 0; i < masks.size(); i++) {
            if (i > 0) output_.push_back(drafts[i - 1]);
            const std::span mask = std::span(words_).subspan(i * n_words, n_words);
            clear(mask);
            masks[i] = {mask.data(), 0};
        }
        output_.resize(n_output);
    }

  private:
    void clear(std::span<uint32_t> mask) const {
        for (const Ids& ids : *sequences_) {
            const std::span begun(ids.data(), ids.size() - 1);
            const size_t id = size_t(ids.back());
            if (begun.size() <= output_.size() && id / 32 < mask.size() &&
                std::equal(begun.begin(), begun.end(), output_.end() - ptrdiff_t(begun.size())))
                mask[id / 32] &= ~(uint32_t(1) << id % 32);
        }
    }

    std::shared_ptr<const BannedSequences> sequences_;
    const int n_vocab_;
    std::vector<uint32_t> words_;  // of the masks found last
    size_t n_kept_ = 1;            // ids of the output that a sequence may begin with
    Ids output_;                   // its end, of so many ids or more
};

void make_distinct(auto& list) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

BannedWords banned_words(const Tokenizer& tokenizer, std::span<const std::string> words) {
    BannedWords banned;
    for (const std::string& given : words) {
        const std::string word = given.substr(std::min(given.find_first_not_of(' '), given.size()));
        Ids begins = tokenizer.encode_with_added_tokens(word);
        Ids goes_on = tokenizer.encode_with_added_tokens(" " + word);
        // What ends as the other is banned with it.
        const bool is_same = goes_on.size() >= begins.size() &&
                             std::equal(begins.rbegin(), begins.rend(), goes_on.rbegin());
        for (Ids* ids : {&begins, is_same ? nullptr : &goes_on}) {
            if (!ids || ids->empty()) continue;
            if (ids->size() == 1)
                banned.tokens.push_back(ids->front());
            else
                banned.sequences.push_back(std::move(*ids));
        }
    }
    make_distinct(banned.tokens);
    make_distinct(banned.sequences);
    // One with a token in it that never comes never comes.
    std::erase_if(banned.sequences, [&](const Ids& ids) {
        return std::ranges::any_of(
            ids, [&](int32_t id) { return std::ranges::binary_search(banned.tokens, id); });
    });
    return banned;
}

Constraint ban(std::shared_ptr<const BannedSequences> sequences, int n_vocab) {
    const auto state = std::make_shared<Ban>(std::move(sequences), n_vocab);
    return {[state](std::span<const int32_t> drafts, std::span<VocabularyMask> masks) {
                state->find(drafts, masks);
            },
            [state](int32_t token) { state->accept(token); }};
}

}  // namespace qwend
