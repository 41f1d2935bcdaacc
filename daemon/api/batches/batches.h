#pragma once

#include <memory>
#include <optional>
#include <string>

#include "daemon/api/api_error.h"
#include "daemon/api/batches/batch_input.h"
#include "daemon/api/batches/batch_run.h"
#include "daemon/api/body_queue.h"
#include "daemon/api/live_answers.h"
#include "daemon/api/model_registry.h"
#include "net/loop.h"

namespace qwend {

/// What decides whether a batch's line may run.
struct BatchConditions {
    LiveAnswers& live;
    const BodyQueue& bodies;
    const ModelRegistry& models;
};

/// Takes batches to their ends: each is checked when it comes, and then they run one after the
/// other, beside one that is only to be ended. Loop thread.
class Batches {
  public:
    /// Goes on with what there is. The references outlive this.
    Batches(EventLoop& loop, BatchContext context, BatchConditions conditions);
    Batches(const Batches&) = delete;

    /// Takes a new one in; `done` is called with what the disk said, once it is kept.
    void add(BatchRecord batch, DiskQueue::Done done);
    /// Why it cannot be cancelled; nothing: it will be.
    std::optional<ApiError> cancel(BatchRecord& batch);
    /// Starts nothing any more, and gives up what is being answered: the next process goes on.
    void drain();

  private:
    void pump();
    void look_on();
    void on_looked(bool at_end, const std::string& error);
    void settle_check(const std::string& error);
    void fill_slots();
    bool may_start();
    void wake_in(double seconds);
    void count_statuses();
    bool is_running(const BatchRecord& batch) const;

    EventLoop& loop_;
    BatchContext context_;
    const BatchConditions conditions_;
    const std::function<void()> wake_;
    std::string checked_id_;  // of the one that is being checked
    std::shared_ptr<BatchCheck> check_;
    std::unique_ptr<BatchRun> running_, ending_;
    std::shared_ptr<EventLoop::Timer> tick_, wake_timer_;
    bool looking_ = false, draining_ = false;
};

}  // namespace qwend
