#include "daemon/api/live_answers.h"

#include <utility>

namespace qwend {

void LiveAnswers::listen(std::function<void(bool any)> listener) {
    listeners_.push_back(std::move(listener));
}

void LiveAnswers::begin() {
    if (n_++ == 0) tell(true);
}

void LiveAnswers::end() {
    if (--n_ == 0) tell(false);
}

void LiveAnswers::tell(bool any) const {
    for (const auto& listener : listeners_) listener(any);
}

bool has_background_room(const Engine& engine, size_t n_sequences) {
    const auto info = engine.backend_info();
    if (!info || !engine.has_room(n_sequences)) return false;
    const auto n_unfinished = size_t(engine.n_unfinished());
    return n_unfinished == 0 || n_unfinished + n_sequences <= size_t(info->max_sequences);
}

}  // namespace qwend
