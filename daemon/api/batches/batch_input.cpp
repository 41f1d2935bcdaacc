#include "daemon/api/batches/batch_input.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

namespace qwend {

namespace {

constexpr size_t kLookBytes = 4 << 20;    // of a look, so that others have the disk in between
constexpr size_t kReadBytes = 256 << 10;  // of bodies that are read at once
constexpr size_t kReadLines = 256;
constexpr size_t kMaxErrors = 50;

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r") == text.npos;
}

}  // namespace

BatchCheck::BatchCheck(const std::filesystem::path& input, std::string endpoint, size_t max_line)
    : reader_(DiskFile::open(input), max_line), endpoint_(std::move(endpoint)) {}

bool BatchCheck::look_on() {
    const uint64_t until = reader_.offset() + kLookBytes;
    while (reader_.offset() < until) {
        const auto line = reader_.next();
        if (!line) {
            if (n_lines_ == 0 && errors_.empty())
                errors_.push_back({"empty_file", "the input file has no requests", {}});
            return true;
        }
        look_at(*line);
        if (errors_.size() >= kMaxErrors) return true;
    }
    return false;
}

void BatchCheck::look_at(const LineReader::Line& line) {
    const auto fail = [&](BatchError error) {
        error.line = line.number;
        errors_.push_back(std::move(error));
    };
    if (line.too_long)
        return fail({"line_too_long", "the line is longer than a request may be", {}});
    if (is_blank(line.text)) return;
    if (++n_lines_ == kMaxLines + 1)
        return fail(
            {"too_many_requests", fmt::format("expected at most {} requests", kMaxLines), {}});
    auto read = read_batch_line(line.text, endpoint_);
    if (auto* error = std::get_if<BatchError>(&read)) return fail(std::move(*error));
    if (n_lines_ <= kMaxLines && !custom_ids_.insert(std::get<BatchLine>(read).custom_id).second)
        fail({"duplicate_custom_id", "custom_id: another line has the same", "custom_id"});
}

bool BatchInput::read_on(const BatchJournal& journal, std::vector<BatchLine>& lines) {
    const uint64_t until = reader_.offset() + kLookBytes;
    const size_t most_lines = lines.size() + kReadLines;
    size_t n_bytes = 0;
    while (n_bytes < kReadBytes && lines.size() < most_lines && reader_.offset() < until) {
        const auto line = reader_.next();
        if (!line) return true;
        auto read = read_batch_line(line->text, endpoint_);
        auto* found = std::get_if<BatchLine>(&read);
        if (!found || journal.has(found->custom_id)) continue;
        n_bytes += found->body.size();
        lines.push_back(std::move(*found));
    }
    return false;
}

}  // namespace qwend
