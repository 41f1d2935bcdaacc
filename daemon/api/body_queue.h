#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "daemon/api/api_error.h"
#include "net/http.h"
#include "net/loop.h"

namespace qwend {

struct BodyQueueLimits {
    size_t inline_bytes = 16 << 10;  // bodies up to this are read on the loop, at once,
    size_t burst_bytes = 24 << 10;   // as long as those before them leave room for it:
    double burst_rate = 4 << 20;     // bytes that are forgotten a second
    size_t max_bytes = 64u << 20;    // of all bodies that wait or are being read; more get 429
    size_t max_jobs = 256;           // requests that wait or are being read; more get 429
    int max_running = 4;             // on the thread pool at once, which has four threads
};

/// Where a body may be read.
enum class BodyPlace {
    anywhere,
    beside_loop,  // however small it is: there is more to read than it
};

/// Reads requests' bodies: JSON, templates and tokenisation cost time by the size of a body, and
/// the loop may not wait for a large one. Small bodies are read at once, since a thread would cost
/// more than it saves; large ones on libuv's thread pool, in order of arrival, and small ones too
/// if more of them come together than the loop can read in passing. Loop thread only.
class BodyQueue {
  public:
    /// What is left to do on the loop once a body is read, with the exchange still open.
    using Answering = std::function<void()>;
    /// Reads a body, and frees it when it is done with it. Runs on any thread and sees nothing that
    /// the loop changes. A large body may outlive its client: then what this returns is dropped.
    using Reading = std::function<Answering(std::string body)>;

    explicit BodyQueue(EventLoop& loop, BodyQueueLimits limits = {});

    /// Answers the exchange with 429 if the queue is full, with 500 if `read` throws. A client that
    /// goes away takes its job out of the queue.
    void read(const ExchangePtr& exchange, Reading read, BodyPlace place = BodyPlace::anywhere);

    int n_jobs() const { return int(waiting_.size() + running_.size()); }  // waiting or being read
    /// Answers every job with `error`; what is being read is dropped when it is done.
    void fail_all(const ApiError& error);

  private:
    struct Job {
        ExchangePtr exchange;
        std::string body;
        Reading read;
        Answering answer;  // empty: reading failed
        size_t n_bytes;
        bool dropped = false;  // nobody waits for it any more
    };
    using JobPtr = std::shared_ptr<Job>;

    bool fits_in_passing(size_t n_bytes);
    bool is_full(size_t n_bytes) const;
    static void run(Job& job);
    static void finish(Job& job);
    void start_next();
    void forget(const JobPtr& job);

    EventLoop& loop_;
    const BodyQueueLimits limits_;
    std::deque<JobPtr> waiting_, running_;
    size_t n_bytes_ = 0;                 // of both
    double burst_ = 0, burst_time_ = 0;  // bytes read on the loop lately; s, when that was
};

}  // namespace qwend
