#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "daemon/api/compiled_form.h"
#include "daemon/api/output_form.h"
#include "model/grammar/common_passages.h"
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
        size_t one_form = 64u << 20;  // what has found out more is not kept
    };

    /// The tokenizer outlives this.
    explicit GrammarCache(const Tokenizer& tokenizer) : GrammarCache(tokenizer, Limits()) {}
    GrammarCache(const Tokenizer& tokenizer, Limits limits)
        : tokenizer_(tokenizer), limits_(limits) {}

    /// The form, or why it cannot be had.
    using Result = std::variant<std::shared_ptr<CompiledForm>, FormError>;
    /// If it was compiled already. Quick: what found out too much is forgotten, and those that it
    /// was given to keep it until they end.
    std::optional<Result> find(const OutputForm& form, const std::vector<int32_t>& stop_ids);
    /// Puts the vocabulary in order and finds what most forms have in common, some tens of
    /// milliseconds that the first form would wait for.
    void prepare();
    /// May take some tenths of a second.
    Result compile(const OutputForm& form, const std::vector<int32_t>& stop_ids);
    /// Of what is kept, about.
    size_t n_bytes();

  private:
    struct Entry {
        OutputForm form;
        std::vector<int32_t> stop_ids;
        Result result;
        size_t n_bytes = 0;
    };

    std::shared_ptr<const grammar::Vocabulary> vocabulary();
    using Place = std::list<Entry>::iterator;
    /// What is looked for: forms may be large, and are not copied for that.
    struct Asked {
        const OutputForm& form;
        const std::vector<int32_t>& stop_ids;
    };
    struct ByKey {
        using is_transparent = void;
        static auto key(const Asked& asked) {
            return std::pair(std::tie(asked.stop_ids), asked.form.key());
        }
        static auto key(const Place& at) { return key(Asked{at->form, at->stop_ids}); }
        template <class A, class B>
        bool operator()(const A& a, const B& b) const {
            return key(a) < key(b);
        }
    };
    void count(Entry& entry);
    void forget(Place entry);
    void make_room();

    const Tokenizer& tokenizer_;
    const Limits limits_;
    std::mutex mutex_, vocabulary_mutex_;
    std::vector<std::string> special_;  // of added tokens, what stands for them
    std::shared_ptr<const grammar::Vocabulary> vocabulary_;  // made when it is needed first
    const std::shared_ptr<grammar::CommonPassages> common_passages_ =
        std::make_shared<grammar::CommonPassages>();
    std::list<Entry> entries_;  // the one used last first
    size_t n_bytes_ = 0;
    std::set<Place, ByKey> by_key_;
};

}  // namespace qwend
