#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/engine/constraint.h"
#include "daemon/engine/speculation.h"
#include "model/grammar/automaton.h"
#include "model/grammar/common_passages.h"
#include "model/grammar/masks.h"
#include "model/grammar/vocabulary.h"

namespace qwend {

/// A form, compiled, and what was found out about its states since. Of the engine's worker alone,
/// but for n_bytes(): all sequences of one model share it.
class CompiledForm {
  public:
    /// `stop_ids` may come where a text is complete. `common`: of that vocabulary.
    CompiledForm(grammar::Grammar grammar, std::shared_ptr<const grammar::Vocabulary> vocabulary,
                 std::shared_ptr<grammar::CommonPassages> common, std::vector<int32_t> stop_ids);

    grammar::StateId start() const { return automaton_.start(); }
    /// kDead where the text has ended, or cannot go on like this.
    grammar::StateId after(grammar::StateId state, int32_t token);
    Completeness completeness(grammar::StateId state) const;
    /// As Constraint's.
    VocabularyMask mask(grammar::StateId state);
    /// Where the text can only go on in one way, a token of what it goes on with, else kNoToken:
    /// the one that a model took there last, at first the longest.
    int32_t forced_token(grammar::StateId state);
    /// A model took `token` there.
    void note_taken(grammar::StateId state, int32_t token);
    /// How often that was forced_token().
    float forced_rate() const { return forced_record_.rate(); }
    /// Bytes of memory, about. Any thread.
    size_t n_bytes() const { return n_bytes_.load(std::memory_order_relaxed); }

  private:
    /// Many states allow the same: those share it.
    struct Row {
        std::vector<uint32_t> words;
        uint64_t id;
    };
    struct Known {
        std::shared_ptr<const Row> row;
        uint64_t used = 0;
        std::optional<int32_t> forced{};  // the longest token of what is forced
        int32_t taken = kNoToken;         // by a model, of those that are
    };
    Known& known(grammar::StateId state);
    int32_t find_forced(grammar::StateId state, const Row& row);
    std::string forced_text(grammar::StateId state);
    void fill(grammar::StateId state, std::span<uint32_t> words);
    std::shared_ptr<const Row> find_row(grammar::StateId state);
    void forget_rows();
    void note_size();

    std::shared_ptr<const grammar::Vocabulary> vocabulary_;
    std::shared_ptr<grammar::CommonPassages> common_passages_;
    std::vector<int32_t> stop_ids_;
    grammar::Automaton automaton_;
    grammar::Masks masks_;
    std::unordered_map<grammar::StateId, Known> known_;  // by what Automaton::folded() gives
    std::unordered_multimap<uint64_t, std::weak_ptr<const Row>> rows_;  // by hash
    uint64_t n_used_ = 0, n_read_ = 0;                                  // masks, tokens
    GuessRecord forced_record_ = {6.4f, 8};
    std::atomic<size_t> n_bytes_ = 0;
};

/// An output in a form: its sequence's own.
struct FormedOutput {
    std::shared_ptr<CompiledForm> form;
    grammar::StateId at = form->start();  // of what was accepted
};
/// Keeps it within the form.
Constraint constrain(std::shared_ptr<FormedOutput> output);
/// Guesses what the form leaves no choice about: names of members, and what is between values. The
/// text is known, not how the model would cut it into tokens: so it is sampled all the same, and
/// how it did is remembered for all answers in that form. `row_cost`: BackendInfo::draft_row_cost.
Drafter draft_forced(std::shared_ptr<FormedOutput> output, float row_cost, int max_drafts);

/// What both allow.
Constraint all_of(Constraint first, Constraint second, int n_vocab);

}  // namespace qwend
