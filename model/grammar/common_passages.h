#pragma once

#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "model/grammar/passages.h"

namespace qwend::grammar {

/// Passages of languages that all grammars have, common_languages(), of one vocabulary: what one
/// grammar found out need not be found again. Any thread.
class CommonPassages {
  public:
    /// nullptr if it is not known. It stays where it is.
    const Passage* find(const PassageKey& key) const;
    /// What is known then, which somebody else may have added; nullptr if there is no room.
    const Passage* add(const PassageKey& key, Passage&& passage);

  private:
    static constexpr size_t kMaxBytes = 64u << 20;

    mutable std::mutex mutex_;
    std::unordered_map<PassageKey, Passage, PassageKeyHash> passages_;
    size_t n_bytes_ = 0;
};

}  // namespace qwend::grammar
