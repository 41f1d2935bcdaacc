#pragma once

#include <chrono>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace qwend {

/// A list that one thread fills and another takes whole. The taker works on what it took without
/// the lock; the filler has to wake it only when the list was empty.
template <class T>
class Mailbox {
  public:
    /// Appends in order. True if the box was empty before and is not now: time to wake the taker
    /// (one that sleeps in wait() is woken anyway).
    bool put(std::vector<T> items) {
        if (items.empty()) return false;
        std::lock_guard lock(mutex_);
        const bool was_empty = items_.empty();
        items_.insert(items_.end(), std::make_move_iterator(items.begin()),
                      std::make_move_iterator(items.end()));
        if (was_empty) not_empty_.notify_one();
        return was_empty;
    }

    std::vector<T> take() {
        std::lock_guard lock(mutex_);
        return std::exchange(items_, {});
    }

    /// Sleeps until there is something to take or the box is closed; with a limit, no longer.
    std::vector<T> wait(std::optional<std::chrono::milliseconds> limit = {}) {
        std::unique_lock lock(mutex_);
        const auto is_over = [this] { return closed_ || !items_.empty(); };
        waiting_ = true;
        if (limit)
            not_empty_.wait_for(lock, *limit, is_over);
        else
            not_empty_.wait(lock, is_over);
        waiting_ = false;
        return std::exchange(items_, {});
    }

    /// True while the taker sleeps in wait() and has no reason to get up.
    bool idle() const {
        std::lock_guard lock(mutex_);
        return waiting_ && items_.empty() && !closed_;
    }

    void close() {
        std::lock_guard lock(mutex_);
        closed_ = true;
        not_empty_.notify_one();
    }

    bool closed() const {
        std::lock_guard lock(mutex_);
        return closed_;
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable not_empty_;
    std::vector<T> items_;
    bool waiting_ = false;
    bool closed_ = false;
};

}  // namespace qwend
