#include "daemon/api/batches/batch_run.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>
#include <vector>

#include "daemon/api/batches/record_id.h"
#include "daemon/api/http_answers.h"
#include "daemon/api/openai/error.h"
#include "daemon/log.h"
#include "net/clock.h"

namespace qwend {

namespace {

constexpr std::string_view kRequestPrefix = "batch_req_";
// Bytes in memory of lines that wait, that are being answered, and of answers that are to be
// written. A line that is larger has its turn alone.
constexpr size_t kReadyBytes = 1 << 20, kInFlightBytes = 16u << 20, kPendingBytes = 16u << 20;
constexpr double kBusySeconds = 0.1;  // until a line that found no room is tried again
constexpr double kDiskSeconds = 5;    // until a disk that failed is

}  // namespace

BatchRun::BatchRun(const BatchContext& context, std::string id)
    : context_(context), id_(std::move(id)) {
    context_.files.pin(record().output_journal);
    context_.files.pin(record().error_journal);
    open();
}

BatchRun::~BatchRun() {
    drop_lines();
}

void BatchRun::open() {
    const BatchRecord& batch = record();
    context_.disk.run(
        [work = work_, input = context_.folder.file_data(batch.input_file_id),
         outputs = context_.folder.file_data(batch.output_journal),
         errors = context_.folder.file_data(batch.error_journal), endpoint = batch.endpoint,
         max_line = context_.max_line] {
            work->journal = std::make_unique<BatchJournal>(outputs, errors);
            work->input = std::make_unique<BatchInput>(input, endpoint, max_line);
        },
        [this](const std::string& error) { on_opened(error); });
}

void BatchRun::on_opened(const std::string& error) {
    if (!error.empty()) return fail(error);
    record().completed = work_->journal->n_outputs();
    record().failed = work_->journal->n_errors();
    n_unmade_ = work_->journal->n_unmade();
    phase_ = Phase::running;
    context_.wake();
}

void BatchRun::pump() {
    if (phase_ != Phase::running) return;
    write_on();
    if (draining_) return;
    if (const auto reason = why_unmade()) {
        drop_lines();
        leave_unmade(*reason);
    } else {
        start_lines();
    }
    read_on();
    write_on();
    if (is_all_done()) finish();
}

void BatchRun::drain() {
    draining_ = true;
    drop_lines();
}

void BatchRun::drop_lines() {
    auto dropped = std::exchange(in_flight_, {});
    n_in_flight_bytes_ = 0;
    for (auto& [_, each] : dropped) {
        if (each.answer) each.answer->drop();
        n_ready_bytes_ += each.line.body.size();
        ready_.push_front(std::move(each.line));
    }
    if (!dropped.empty()) context_.metrics.batch_requests["dropped"] += dropped.size();
}

std::optional<BatchRun::Reason> BatchRun::why_unmade() {
    if (record().status == BatchStatus::cancelling)
        return Reason{"batch_cancelled", "the batch was cancelled before this request was made"};
    if (n_unmade_ > 0 || std::time(nullptr) >= record().expires_at)
        return Reason{"batch_expired", "the batch's time was over before this request was made"};
    return std::nullopt;
}

void BatchRun::start_lines() {
    if (steady_seconds() < retry_at_) return context_.wake_in(kBusySeconds);
    if (context_.files.is_full() && !ready_.empty()) {
        if (!std::exchange(said_full_, true))
            log_warning("{} waits: its state-directory has max-state bytes; delete files", id_);
        return;
    }
    said_full_ = false;
    while (
        !ready_.empty() && pending_.size() < kPendingBytes && steady_seconds() >= retry_at_ &&
        (in_flight_.empty() || n_in_flight_bytes_ + ready_.front().body.size() <= kInFlightBytes) &&
        context_.may_start()) {
        BatchLine line = std::move(ready_.front());
        ready_.pop_front();
        n_ready_bytes_ -= line.body.size();
        start(std::move(line));
    }
}

void BatchRun::start(BatchLine line) {
    const std::string id = line.custom_id, request_id = make_record_id(kRequestPrefix);
    if (line.streams)
        return take(id, request_id,
                    error_response(bad_request("stream: the answer to a batch comes as a whole",
                                               "stream", "unsupported_parameter"),
                                   render_openai_error));
    std::string body = line.body;
    n_in_flight_bytes_ += body.size();
    in_flight_[id].line = std::move(line);
    auto answer = context_.requests.post(record().endpoint, std::move(body), request_id,
                                         [this, id, request_id](HttpResponse response) {
                                             on_answer(id, request_id, std::move(response));
                                         });
    // It may have been answered already.
    if (const auto found = in_flight_.find(id); found != in_flight_.end())
        found->second.answer = std::move(answer);
}

void BatchRun::on_answer(const std::string& custom_id, const std::string& request_id,
                         HttpResponse response) {
    auto found = in_flight_.extract(custom_id);
    if (!found) return;
    BatchLine& line = found.mapped().line;
    n_in_flight_bytes_ -= line.body.size();
    // There was no room, or there is no engine: that is not for the client to know.
    if (response.status == 429 || response.status == 503) {
        retry_at_ = steady_seconds() + kBusySeconds;
        n_ready_bytes_ += line.body.size();
        ready_.push_front(std::move(line));
    } else {
        take(custom_id, request_id, response);
    }
    context_.wake();
}

void BatchRun::take(std::string_view custom_id, std::string_view request_id,
                    const HttpResponse& response) {
    const bool is_output = response.status < 400;
    (is_output ? pending_.outputs : pending_.errors) +=
        answered_line(custom_id, request_id, response);
    (is_output ? pending_.n_outputs : pending_.n_errors)++;
    context_.metrics.batch_requests[is_output ? "completed" : "failed"]++;
}

void BatchRun::leave_unmade(const Reason& reason) {
    for (; !ready_.empty() && pending_.size() < kPendingBytes; ready_.pop_front()) {
        n_ready_bytes_ -= ready_.front().body.size();
        pending_.errors += unmade_line(ready_.front().custom_id, make_record_id(kRequestPrefix),
                                       reason.code, reason.message);
        pending_.n_unmade++;
    }
}

void BatchRun::read_on() {
    if (reading_ || input_ended_ || n_ready_bytes_ >= kReadyBytes) return;
    reading_ = true;
    struct Read {
        std::vector<BatchLine> lines;
        bool ended = false;
    };
    const auto read = std::make_shared<Read>();
    context_.disk.run(
        [work = work_, read] { read->ended = work->input->read_on(*work->journal, read->lines); },
        [this, read](const std::string& error) {
            reading_ = false;
            if (!error.empty()) return fail(error);
            input_ended_ = read->ended;
            for (BatchLine& line : read->lines) {
                n_ready_bytes_ += line.body.size();
                ready_.push_back(std::move(line));
            }
            context_.wake();
        });
}

/// What came together since the last time goes to the disk as one.
void BatchRun::write_on() {
    if (writing_ || pending_.size() == 0) return;
    if (steady_seconds() < write_at_) return context_.wake_in(kDiskSeconds);
    writing_ = true;
    const auto lines = std::make_shared<Lines>(std::exchange(pending_, {}));
    context_.disk.run(
        [work = work_, lines] { work->journal->append(lines->outputs, lines->errors); },
        [this, lines](const std::string& error) { on_written(std::move(*lines), error); });
}

void BatchRun::on_written(Lines lines, const std::string& error) {
    writing_ = false;
    context_.wake();
    if (error.empty()) {
        context_.files.count(int64_t(lines.size()));
        record().completed += lines.n_outputs;
        record().failed += lines.n_errors;
        n_unmade_ += lines.n_unmade;
        return;
    }
    log_error("{} could not be written and is tried again: {}", id_, error);
    write_at_ = steady_seconds() + kDiskSeconds;
    pending_.outputs.insert(0, lines.outputs);
    pending_.errors.insert(0, lines.errors);
    pending_.n_outputs += lines.n_outputs;
    pending_.n_errors += lines.n_errors;
    pending_.n_unmade += lines.n_unmade;
}

bool BatchRun::is_all_done() const {
    return phase_ == Phase::running && input_ended_ && !reading_ && !writing_ && ready_.empty() &&
           in_flight_.empty() && pending_.size() == 0;
}

void BatchRun::finish() {
    phase_ = Phase::finishing;
    BatchRecord& batch = record();
    batch.finalizing_at = std::time(nullptr);
    if (batch.status != BatchStatus::cancelling) batch.status = BatchStatus::finalizing;
    context_.batches.save(batch);
    context_.status_changed();
    publish(true);
}

/// The outputs become a file, then the errors, and then the batch has ended.
void BatchRun::publish(bool is_output) {
    const BatchRecord& batch = record();
    const uint64_t bytes =
        is_output ? work_->journal->output_bytes() : work_->journal->error_bytes();
    const auto go_on = [this, is_output] { is_output ? publish(false) : end(); };
    if (bytes == 0) return go_on();
    FileRecord file;
    file.id = is_output ? batch.output_journal : batch.error_journal;
    file.filename = fmt::format("{}_{}.jsonl", id_, is_output ? "output" : "error");
    file.purpose = "batch_output";
    file.bytes = bytes;
    file.created_at = batch.finalizing_at;
    if (batch.output_lifetime > 0) file.expires_at = file.created_at + batch.output_lifetime;
    context_.files.publish(file, [this, is_output, id = file.id, go_on](const std::string& error) {
        if (!error.empty()) return fail(error);
        (is_output ? record().output_file_id : record().error_file_id) = id;
        go_on();
    });
}

void BatchRun::end() {
    BatchRecord& batch = record();
    const int64_t now = std::time(nullptr);
    if (batch.status == BatchStatus::cancelling)
        batch.status = BatchStatus::cancelled, batch.cancelled_at = now;
    else if (n_unmade_ > 0)
        batch.status = BatchStatus::expired, batch.expired_at = now;
    else
        batch.status = BatchStatus::completed, batch.completed_at = now;
    phase_ = Phase::ended;
    let_go_of_files();
    context_.batches.save(batch);
    context_.status_changed();
    log_info("{} {}: {} requests, {} completed, {} failed, {} not made", id_,
             batch_status_name(batch.status), batch.total, batch.completed, batch.failed,
             n_unmade_);
    context_.wake();
}

/// The input's pin is older than this run: it is there as long as the batch has not ended.
void BatchRun::let_go_of_files() {
    const BatchRecord& batch = record();
    for (const std::string& file : {batch.input_file_id, batch.output_journal, batch.error_journal})
        context_.files.unpin(file);
}

/// The disk does not give what is needed: nothing can be made of the batch any more.
void BatchRun::fail(const std::string& error) {
    log_error("{} fails: {}", id_, error);
    drop_lines();
    BatchRecord& batch = record();
    batch.status = BatchStatus::failed;
    batch.failed_at = std::time(nullptr);
    batch.errors = {{"state_unreadable", "the disk failed; the server's log says how", {}}};
    phase_ = Phase::ended;
    let_go_of_files();
    context_.batches.save(batch);
    context_.status_changed();
    context_.wake();
}

}  // namespace qwend
