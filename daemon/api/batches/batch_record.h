#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

enum class BatchStatus {
    validating,
    in_progress,
    finalizing,
    completed,
    failed,
    expired,
    cancelling,
    cancelled,
};
inline constexpr int kBatchStatuses = 8;
std::string_view batch_status_name(BatchStatus status);

/// What is wrong with an input.
struct BatchError {
    std::string code, message, param;
    int64_t line = 0;  // 0: with all of it
};

/// What is known of a batch. Times are Unix time in seconds, 0: not yet, and never.
struct BatchRecord {
    std::string id, endpoint, input_file_id, completion_window;
    std::string metadata = "null";  // JSON
    BatchStatus status = BatchStatus::validating;
    std::vector<BatchError> errors;
    std::string output_file_id, error_file_id;  // once there is one
    int64_t created_at = 0, in_progress_at = 0, expires_at = 0, finalizing_at = 0, completed_at = 0,
            failed_at = 0, expired_at = 0, cancelling_at = 0, cancelled_at = 0;
    int64_t total = 0, completed = 0, failed = 0;

    // What clients do not see.
    std::string output_journal, error_journal;  // files that are written while it runs
    int64_t output_lifetime = 0;                // s; 0: for good

    bool has_ended() const {
        return status == BatchStatus::completed || status == BatchStatus::failed ||
               status == BatchStatus::expired || status == BatchStatus::cancelled;
    }
};

/// OpenAI's object.
std::string render_batch(const BatchRecord& batch);
/// What is kept: the same and the rest.
std::string render_batch_record(const BatchRecord& batch);
/// What was kept; nothing if it is no such object.
std::optional<BatchRecord> read_batch_record(std::string_view json);

}  // namespace qwend
