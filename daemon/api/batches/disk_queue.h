#pragma once

#include <deque>
#include <functional>
#include <string>

#include "net/loop.h"

namespace qwend {

/// What is to be done with the disk, one thing at a time and in order, beside the loop. Loop
/// thread.
class DiskQueue {
  public:
    explicit DiskQueue(EventLoop& loop) : loop_(loop) {}

    /// `work` runs on another thread, and then `done` on the loop with what it threw, in words;
    /// empty: nothing.
    using Done = std::function<void(const std::string& error)>;
    void run(std::function<void()> work, Done done);

    int n_jobs() const { return int(jobs_.size()); }  // waiting or at work

  private:
    struct Job {
        std::function<void()> work;
        Done done;
        std::string error;
    };

    void start_next();

    EventLoop& loop_;
    std::deque<Job> jobs_;
};

}  // namespace qwend
