#include "model/grammar/common_passages.h"

#include <utility>

namespace qwend::grammar {

const Passage* CommonPassages::find(const PassageKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto known = passages_.find(key);
    return known == passages_.end() ? nullptr : &known->second;
}

const Passage* CommonPassages::add(const PassageKey& key, Passage&& passage) {
    const std::lock_guard lock(mutex_);
    if (n_bytes_ > kMaxBytes) return nullptr;
    const auto [at, is_new] = passages_.try_emplace(key, std::move(passage));
    Passage& kept = at->second;
    if (!is_new) return &kept;
    n_bytes_ += kept.n_bytes() + 64;
    if (!kept.own.empty()) kept.wide = &kept.own;
    return &kept;
}

}  // namespace qwend::grammar
