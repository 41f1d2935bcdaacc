#include "daemon/api/body_queue.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "daemon/api/http_answers.h"
#include "daemon/log.h"
#include "net/clock.h"

namespace qwend {

BodyQueue::BodyQueue(EventLoop& loop, BodyQueueLimits limits) : loop_(loop), limits_(limits) {}

void BodyQueue::read(const ExchangePtr& exchange, Reading read, BodyPlace place) {
    std::string body = exchange->take_body();
    const size_t n_bytes = body.size();
    const auto job =
        std::make_shared<Job>(Job{exchange, std::move(body), std::move(read), {}, n_bytes, false});
    const bool small = n_bytes <= limits_.inline_bytes && place == BodyPlace::anywhere;
    if (small && (fits_in_passing(n_bytes) || is_full(n_bytes))) {
        run(*job);
        return finish(*job);
    }
    if (is_full(n_bytes))
        return respond_error(*exchange, {429, "rate_limit_error", "queue_full", "",
                                         "too many large requests are being read; try again"});
    n_bytes_ += n_bytes;
    waiting_.push_back(job);
    exchange->on_client_gone([this, weak = std::weak_ptr(job)] {
        if (const JobPtr gone = weak.lock()) forget(gone);
    });
    start_next();
}

/// Whether the loop may read so much at once. A client can send many small bodies together, and
/// many clients can: what holds for a large body holds for their sum.
bool BodyQueue::fits_in_passing(size_t n_bytes) {
    const double now = steady_seconds();
    burst_ = std::max(0.0, burst_ - (now - burst_time_) * limits_.burst_rate);
    burst_time_ = now;
    if (burst_ + double(n_bytes) > double(limits_.burst_bytes)) return false;
    burst_ += double(n_bytes);
    return true;
}

bool BodyQueue::is_full(size_t n_bytes) const {
    return waiting_.size() + running_.size() >= limits_.max_jobs ||
           n_bytes_ + n_bytes > limits_.max_bytes;
}

/// What is thrown here, std::bad_alloc of an enormous body above all, is this request's alone.
void BodyQueue::run(Job& job) {
    try {
        job.answer = job.read(std::move(job.body));
    } catch (const std::exception& error) {
        log_error("{} could not be read: {}", job.exchange->request().request_id, error.what());
    }
}

void BodyQueue::finish(Job& job) {
    if (job.answer) return job.answer();
    respond_error(*job.exchange, {500, "server_error", "", "",
                                  "reading the request failed; the server's log says why"});
}

void BodyQueue::start_next() {
    while (int(running_.size()) < limits_.max_running && !waiting_.empty()) {
        const JobPtr job = std::move(waiting_.front());
        waiting_.pop_front();
        running_.push_back(job);
        loop_.offload([job] { run(*job); },
                      [this, job] {
                          running_.erase(std::find(running_.begin(), running_.end(), job));
                          n_bytes_ -= job->n_bytes;
                          if (!job->dropped) {
                              job->exchange->on_client_gone({});
                              finish(*job);
                          }
                          start_next();
                      });
    }
}

/// The thread pool has no way to take back what it began; it ends by itself, in time that is
/// linear in the body.
void BodyQueue::forget(const JobPtr& job) {
    job->dropped = true;
    const auto found = std::find(waiting_.begin(), waiting_.end(), job);
    if (found == waiting_.end()) return;
    n_bytes_ -= job->n_bytes;
    waiting_.erase(found);
}

void BodyQueue::fail_all(const ApiError& error) {
    std::deque<JobPtr> jobs = std::exchange(waiting_, {});
    for (const JobPtr& job : jobs) n_bytes_ -= job->n_bytes;
    jobs.insert(jobs.end(), running_.begin(), running_.end());
    for (const JobPtr& job : jobs) {
        job->dropped = true;
        job->exchange->on_client_gone({});
        respond_error(*job->exchange, error);
    }
}

}  // namespace qwend
