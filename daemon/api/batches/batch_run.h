#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/api/batches/batch_input.h"
#include "daemon/api/batches/batch_journal.h"
#include "daemon/api/batches/batch_line.h"
#include "daemon/api/batches/batch_store.h"
#include "daemon/api/batches/disk_queue.h"
#include "daemon/api/batches/file_store.h"
#include "daemon/api/batches/state_folder.h"
#include "daemon/api/inner_requests.h"
#include "daemon/api/loop_metrics.h"

namespace qwend {

/// What batches work with; it outlives them.
struct BatchContext {
    const StateFolder& folder;
    DiskQueue& disk;
    FileStore& files;
    BatchStore& batches;
    const InnerRequests& requests;
    LoopMetrics& metrics;
    size_t max_line;                  // bytes of an input's line
    std::function<bool()> may_start;  // whether one more line may run now
    std::function<void()> wake;       // has pump() called soon
    std::function<void(double seconds)> wake_in;
    std::function<void()> status_changed;
};

/// A batch that was checked, on its way to its end. What it has done is what its journal has, so
/// that it can be left at any moment, and begun anew. Loop thread.
class BatchRun {
  public:
    BatchRun(const BatchContext& context, std::string id);
    ~BatchRun();
    BatchRun(const BatchRun&) = delete;

    /// Does what can be done now.
    void pump();
    /// Only what is answered goes to the disk from now on.
    void drain();
    /// Gives up what is being answered; it is asked again later.
    void drop_lines();

    const std::string& id() const { return id_; }
    /// True once the disk has nothing to do for it either.
    bool has_ended() const { return phase_ == Phase::ended && !reading_ && !writing_; }
    size_t n_in_flight() const { return in_flight_.size(); }

  private:
    enum class Phase { opening, running, finishing, ended };
    struct Work {  // of the disk's thread
        std::unique_ptr<BatchJournal> journal;
        std::unique_ptr<BatchInput> input;
    };
    struct InFlight {
        BatchLine line;
        CollectedAnswerPtr answer;
    };
    /// Lines on their way to the disk.
    struct Lines {
        std::string outputs, errors;
        int64_t n_outputs = 0, n_errors = 0, n_unmade = 0;
        size_t size() const { return outputs.size() + errors.size(); }
    };
    struct Reason {
        std::string_view code, message;
    };

    BatchRecord& record() { return *context_.batches.find(id_); }
    void open();
    void on_opened(const std::string& error);
    std::optional<Reason> why_unmade();
    void start_lines();
    void start(BatchLine line);
    void on_answer(const std::string& custom_id, const std::string& request_id,
                   HttpResponse response);
    void take(std::string_view custom_id, std::string_view request_id,
              const HttpResponse& response);
    void leave_unmade(const Reason& reason);
    void read_on();
    void write_on();
    void on_written(Lines lines, const std::string& error);
    bool is_all_done() const;
    void finish();
    void publish(bool is_output);
    void end();
    void fail(const std::string& error);
    void let_go_of_files();

    const BatchContext& context_;
    const std::string id_;
    const std::shared_ptr<Work> work_ = std::make_shared<Work>();
    Phase phase_ = Phase::opening;
    std::deque<BatchLine> ready_;
    std::unordered_map<std::string, InFlight> in_flight_;  // by custom_id
    size_t n_ready_bytes_ = 0, n_in_flight_bytes_ = 0;
    Lines pending_;
    int64_t n_unmade_ = 0;
    bool reading_ = false, input_ended_ = false, writing_ = false, draining_ = false;
    bool said_full_ = false;
    double retry_at_ = 0, write_at_ = 0;  // in steady_seconds(): not before
};

}  // namespace qwend
