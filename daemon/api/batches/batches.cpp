#include "daemon/api/batches/batches.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "daemon/log.h"

namespace qwend {

namespace {

constexpr double kTick = 1;             // s; how exactly a batch's end is kept
constexpr int kMostBodies = 16;         // that are read beside the loop, before a line adds to them
constexpr double kBodySeconds = 0.002;  // until they are looked at again

}  // namespace

Batches::Batches(EventLoop& loop, BatchContext context, BatchConditions conditions)
    : loop_(loop),
      context_(std::move(context)),
      conditions_(conditions),
      wake_(loop.make_wake([this] { pump(); })),
      tick_(loop.add_timer(kTick, true, [this] { pump(); })) {
    context_.may_start = [this] { return may_start(); };
    context_.wake = wake_;
    context_.wake_in = [this](double seconds) { wake_in(seconds); };
    context_.status_changed = [this] { count_statuses(); };
    for (const char* outcome : {"completed", "failed", "dropped"})
        context_.metrics.batch_requests[outcome] = 0;
    context_.batches.oldest([this](const BatchRecord& batch) {
        if (!batch.has_ended()) context_.files.pin(batch.input_file_id);
        return false;
    });
    count_statuses();
    conditions_.live.listen([this](bool any) {
        if (!any) wake_();
    });
    conditions_.live.on_crowded([this] {
        if (running_) running_->drop_lines();
    });
    wake_();
}

void Batches::add(BatchRecord batch, DiskQueue::Done done) {
    context_.files.pin(batch.input_file_id);
    context_.batches.add(batch, [this, input = batch.input_file_id,
                                 done = std::move(done)](const std::string& error) {
        if (!error.empty()) context_.files.unpin(input);
        count_statuses();
        done(error);
        wake_();
    });
}

std::optional<ApiError> Batches::cancel(BatchRecord& batch) {
    const int64_t now = std::time(nullptr);
    if (batch.status == BatchStatus::cancelling) return std::nullopt;
    if (batch.status != BatchStatus::validating && batch.status != BatchStatus::in_progress)
        return bad_request(
            fmt::format("the batch cannot be cancelled: it is {}", batch_status_name(batch.status)),
            "batch_id");
    batch.cancelling_at = now;
    batch.status = BatchStatus::cancelling;
    // One that is not checked has no lines that could be spoken of.
    if (batch.in_progress_at == 0) {
        batch.status = BatchStatus::cancelled, batch.cancelled_at = now;
        context_.files.unpin(batch.input_file_id);
    }
    context_.batches.save(batch);
    count_statuses();
    wake_();
    return std::nullopt;
}

void Batches::drain() {
    draining_ = true;
    tick_.reset();
    if (running_) running_->drain();
    if (ending_) ending_->drain();
}

void Batches::pump() {
    if (!draining_) {
        look_on();
        fill_slots();
    }
    for (auto* slot : {&running_, &ending_}) {
        if (!*slot) continue;
        (*slot)->pump();
        if ((*slot)->has_ended()) slot->reset(), wake_();
    }
}

/// Checks the oldest that is not.
void Batches::look_on() {
    if (looking_) return;
    if (!check_) {
        const BatchRecord* const batch = context_.batches.oldest(
            [](const BatchRecord& b) { return b.status == BatchStatus::validating; });
        if (!batch) return;
        checked_id_ = batch->id;
    }
    looking_ = true;
    const BatchRecord& batch = *context_.batches.find(checked_id_);
    struct Look {
        std::shared_ptr<BatchCheck> check;
        bool at_end = false;
    };
    const auto look = std::make_shared<Look>(Look{check_});
    context_.disk.run(
        [look, input = context_.folder.file_data(batch.input_file_id), endpoint = batch.endpoint,
         max_line = context_.max_line] {
            if (!look->check) look->check = std::make_shared<BatchCheck>(input, endpoint, max_line);
            look->at_end = look->check->look_on();
        },
        [this, look](const std::string& error) {
            check_ = look->check;
            on_looked(look->at_end, error);
        });
}

void Batches::on_looked(bool at_end, const std::string& error) {
    looking_ = false;
    if (at_end || !error.empty()) settle_check(error);
    wake_();
}

void Batches::settle_check(const std::string& error) {
    const auto check = std::exchange(check_, {});
    BatchRecord& batch = *context_.batches.find(checked_id_);
    if (batch.status != BatchStatus::validating) return;  // cancelled meanwhile
    if (!error.empty()) {
        log_error("{} cannot be read: {}", batch.id, error);
        batch.errors = {{"input_unreadable", "the input file cannot be read", "input_file_id"}};
    } else {
        batch.errors = check->errors();
        batch.total = check->n_lines();
    }
    const int64_t now = std::time(nullptr);
    if (batch.errors.empty())
        batch.status = BatchStatus::in_progress, batch.in_progress_at = now;
    else
        batch.status = BatchStatus::failed, batch.failed_at = now;
    if (batch.has_ended()) context_.files.unpin(batch.input_file_id);
    log_info("{} {}: {} requests for {}", batch.id, batch_status_name(batch.status), batch.total,
             batch.endpoint);
    context_.batches.save(batch);
    count_statuses();
}

bool Batches::is_running(const BatchRecord& batch) const {
    return (running_ && running_->id() == batch.id) || (ending_ && ending_->id() == batch.id);
}

/// The oldest that is not done runs. One that is over while another runs is ended beside it.
void Batches::fill_slots() {
    const auto is_under_way = [this](const BatchRecord& b) {
        return !b.has_ended() && b.status != BatchStatus::validating && !is_running(b);
    };
    const auto is_over = [&](const BatchRecord& b) {
        return is_under_way(b) &&
               (b.status != BatchStatus::in_progress || b.expires_at <= std::time(nullptr));
    };
    if (!running_)
        if (const BatchRecord* const batch = context_.batches.oldest(is_under_way))
            running_ = std::make_unique<BatchRun>(context_, batch->id);
    if (!ending_)
        if (const BatchRecord* const batch = context_.batches.oldest(is_over))
            ending_ = std::make_unique<BatchRun>(context_, batch->id);
}

bool Batches::may_start() {
    if (draining_ || conditions_.live.any()) return false;
    const auto info = conditions_.models.first().engine.backend_info();
    if (!info || !running_ || running_->n_in_flight() >= size_t(info->max_sequences)) return false;
    if (conditions_.bodies.n_jobs() < kMostBodies) return true;
    wake_in(kBodySeconds);
    return false;
}

void Batches::wake_in(double seconds) {
    if (wake_timer_) return;
    wake_timer_ = loop_.add_timer(seconds, false, [this] {
        wake_timer_.reset();
        pump();
    });
}

void Batches::count_statuses() {
    auto& counts = context_.metrics.batches;
    for (int i = 0; i < kBatchStatuses; i++)
        counts[std::string(batch_status_name(BatchStatus(i)))] = 0;
    context_.batches.oldest([&](const BatchRecord& batch) {
        counts[std::string(batch_status_name(batch.status))]++;
        return false;
    });
}

}  // namespace qwend
