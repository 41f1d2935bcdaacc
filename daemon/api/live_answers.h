#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "daemon/engine/engine.h"

namespace qwend {

/// How many answers are being made that clients wait for. While there are any, what is made in the
/// background stands back: its sequences are held, and none are added. Loop thread.
class LiveAnswers {
  public:
    /// `listener` is told when the first one begins (true) and when the last one ends (false).
    void listen(std::function<void(bool any)> listener);
    /// `give_up` lets go of everything that is being made in the background.
    void on_crowded(std::function<void()> give_up) { give_up_ = std::move(give_up); }

    void begin();
    void end();
    bool any() const { return n_ > 0; }
    /// For who finds no room: whatever the background has is given up. It is made again later.
    void make_way() const {
        if (give_up_) give_up_();
    }

  private:
    void tell(bool any) const;

    int n_ = 0;
    std::vector<std::function<void(bool)>> listeners_;
    std::function<void()> give_up_;
};

/// Added to the priority of what is made in the background: behind all that clients may ask for.
inline constexpr int kBackgroundPriority = 1 << 28;

/// Whether the engine would take so many sequences of the background's: no more than can run at
/// once, so that the queue is the clients'. A request with more than that runs alone.
bool has_background_room(const Engine& engine, size_t n_sequences);

}  // namespace qwend
