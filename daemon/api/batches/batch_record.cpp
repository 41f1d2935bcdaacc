#include "daemon/api/batches/batch_record.h"

#include <array>
#include <utility>

#include "daemon/api/json_writer.h"
#include "model/json_document.h"

namespace qwend {

namespace {

constexpr std::array<std::string_view, kBatchStatuses> kNames = {
    "validating", "in_progress", "finalizing", "completed",
    "failed",     "expired",     "cancelling", "cancelled"};

using Time = std::pair<std::string_view, int64_t BatchRecord::*>;
constexpr std::array<Time, 8> kTimes = {{
    {"in_progress_at", &BatchRecord::in_progress_at},
    {"expires_at", &BatchRecord::expires_at},
    {"finalizing_at", &BatchRecord::finalizing_at},
    {"completed_at", &BatchRecord::completed_at},
    {"failed_at", &BatchRecord::failed_at},
    {"expired_at", &BatchRecord::expired_at},
    {"cancelling_at", &BatchRecord::cancelling_at},
    {"cancelled_at", &BatchRecord::cancelled_at},
}};

using Count = std::pair<std::string_view, int64_t BatchRecord::*>;
constexpr std::array<Count, 3> kCounts = {{
    {"total", &BatchRecord::total},
    {"completed", &BatchRecord::completed},
    {"failed", &BatchRecord::failed},
}};

using Text = std::pair<std::string_view, std::string BatchRecord::*>;
constexpr std::array<Text, 8> kTexts = {{
    {"id", &BatchRecord::id},
    {"endpoint", &BatchRecord::endpoint},
    {"input_file_id", &BatchRecord::input_file_id},
    {"completion_window", &BatchRecord::completion_window},
    {"output_file_id", &BatchRecord::output_file_id},
    {"error_file_id", &BatchRecord::error_file_id},
    {"output_journal", &BatchRecord::output_journal},
    {"error_journal", &BatchRecord::error_journal},
}};

void write_errors(JsonWriter& w, const std::vector<BatchError>& errors) {
    w.key("errors");
    if (errors.empty()) {
        w.null();
        return;
    }
    w.begin_object().key("object").string("list").key("data").begin_array();
    for (const BatchError& error : errors) {
        w.begin_object().key("code").string(error.code).key("line");
        error.line > 0 ? w.integer(error.line) : w.null();
        w.key("message").string(error.message).key("param");
        error.param.empty() ? w.null() : w.string(error.param);
        w.end_object();
    }
    w.end_array().end_object();
}

void write_batch(JsonWriter& w, const BatchRecord& batch) {
    const auto or_null = [&](const std::string& text) { text.empty() ? w.null() : w.string(text); };
    w.key("id").string(batch.id).key("object").string("batch");
    w.key("endpoint").string(batch.endpoint);
    write_errors(w, batch.errors);
    w.key("input_file_id").string(batch.input_file_id);
    w.key("completion_window").string(batch.completion_window);
    w.key("status").string(batch_status_name(batch.status));
    w.key("output_file_id"), or_null(batch.output_file_id);
    w.key("error_file_id"), or_null(batch.error_file_id);
    w.key("created_at").integer(batch.created_at);
    for (const auto& [name, time] : kTimes) {
        w.key(name);
        batch.*time > 0 ? w.integer(batch.*time) : w.null();
    }
    w.key("request_counts").begin_object();
    for (const auto& [name, count] : kCounts) w.key(name).integer(batch.*count);
    w.end_object().key("metadata").raw(batch.metadata);
}

void read_errors(const JsonValue& errors, BatchRecord& batch) {
    const auto data = errors.member("data");
    if (!data) return;
    for (const JsonValue each : data->elements()) {
        BatchError& error = batch.errors.emplace_back();
        for (const auto& [key, value] : each.members()) {
            if (key == "code") value.get(error.code);
            if (key == "message") value.get(error.message);
            if (key == "param") value.get(error.param);
            if (key == "line") value.get(error.line);
        }
    }
}

void read_member(std::string_view key, const JsonValue& value, BatchRecord& batch) {
    for (const auto& [name, text] : kTexts)
        if (key == name) value.get(batch.*text);
    for (const auto& [name, time] : kTimes)
        if (key == name) value.get(batch.*time);
    if (key == "created_at") value.get(batch.created_at);
    if (key == "output_lifetime") value.get(batch.output_lifetime);
    if (key == "metadata") batch.metadata = value.raw();
    if (key == "errors") read_errors(value, batch);
    if (key == "request_counts")
        for (const auto& [name, count] : kCounts)
            if (const auto n = value.member(name)) n->get(batch.*count);
}

}  // namespace

std::string_view batch_status_name(BatchStatus status) {
    return kNames[size_t(status)];
}

std::string render_batch(const BatchRecord& batch) {
    JsonWriter w;
    w.begin_object();
    write_batch(w, batch);
    w.end_object();
    return w.take();
}

std::string render_batch_record(const BatchRecord& batch) {
    JsonWriter w;
    w.begin_object();
    write_batch(w, batch);
    w.key("output_journal").string(batch.output_journal);
    w.key("error_journal").string(batch.error_journal);
    w.key("output_lifetime").integer(batch.output_lifetime).end_object();
    return w.take();
}

std::optional<BatchRecord> read_batch_record(std::string_view json) {
    JsonDocument document;
    if (document.parse(json) || !document.root().is_object()) return std::nullopt;
    BatchRecord batch;
    bool has_status = false;
    for (const auto& [key, value] : document.root().members()) {
        read_member(key, value, batch);
        std::string name;
        if (key != "status" || !value.get(name)) continue;
        for (size_t i = 0; i < kNames.size(); i++)
            if (kNames[i] == name) batch.status = BatchStatus(i), has_status = true;
    }
    if (batch.id.empty() || !has_status) return std::nullopt;
    return batch;
}

}  // namespace qwend
