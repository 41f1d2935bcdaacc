#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/api/compiled_form.h"
#include "daemon/api/output_form.h"
#include "model/grammar/vocabulary.h"
#include "model/text/tokenizer.h"

namespace qwend {

/// Why a form cannot be had.
struct FormError {
    std::string message{};
    std::optional<size_t> tool{};  // of the form's, that is to blame
};

/// Forms that were compiled, by what they say, the ones used last; and those that could not be. Any
/// thread.
class GrammarCache {
  public:
    struct Limits {
        size_t all = 256u << 20;      // bytes of all that is kept
        size_t one_form = 64u << 20;  // what is found out of one is then forgotten
    };

    /// The tokenizer outlives this.
    explicit GrammarCache(const Tokenizer& tokenizer) : GrammarCache(tokenizer, Limits()) {}
    GrammarCache(const Tokenizer& tokenizer, Limits limits)
        : tokenizer_(tokenizer), limits_(limits) {}

    /// The form, or why it cannot be had.
    using Result = std::variant<std::shared_ptr<CompiledForm>, FormError>;
    /// If it was compiled already. Quick.
    std::optional<Result> find(const OutputForm& form, const std::vector<int32_t>& stop_ids);
    /// Puts the vocabulary in order, some tens of milliseconds that the first form would wait for.
    void prepare() { vocabulary(); }
    /// May take some tenths of a second.
    Result compile(const OutputForm& form, const std::vector<int32_t>& stop_ids);
    /// Of what is kept, about.
    size_t n_bytes();

  private:
    using Key = std::pair<OutputForm, std::vector<int32_t>>;
    struct Entry {
        Key key;
        std::optional<grammar::Grammar> grammar;
        Result result;
        size_t n_grammar_bytes = 0, n_bytes = 0;
    };

    std::shared_ptr<const grammar::Vocabulary> vocabulary();
    struct ByKey {
        bool operator()(const Key& a, const Key& b) const {
            if (a.second != b.second) return a.second < b.second;
            return a.first.key() < b.first.key();
        }
    };
    void count(Entry& entry);
    void make_room();

    const Tokenizer& tokenizer_;
    const Limits limits_;
    std::mutex mutex_, vocabulary_mutex_;
    std::vector<std::string> special_;  // of added tokens, what stands for them
    std::shared_ptr<const grammar::Vocabulary> vocabulary_;  // made when it is needed first
    std::list<Entry> entries_;                               // the one used last first
    size_t n_bytes_ = 0;
    std::map<Key, std::list<Entry>::iterator, ByKey> by_key_;
};

}  // namespace qwend
