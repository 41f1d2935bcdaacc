#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include "daemon/api/batches/batch_journal.h"
#include "daemon/api/batches/batch_line.h"
#include "daemon/api/batches/line_reader.h"

namespace qwend {

/// Looks at all lines of an input before one of them runs, a piece at a time. One thread at a time;
/// throws as DiskFile does.
class BatchCheck {
  public:
    BatchCheck(const std::filesystem::path& input, std::string endpoint, size_t max_line);

    /// Looks at some more; true at the end.
    bool look_on();
    int64_t n_lines() const { return n_lines_; }                       // that have a request
    const std::vector<BatchError>& errors() const { return errors_; }  // the first few

    static constexpr int64_t kMaxLines = 50'000;

  private:
    void look_at(const LineReader::Line& line);

    LineReader reader_;
    const std::string endpoint_;
    std::unordered_set<std::string> custom_ids_;
    int64_t n_lines_ = 0;
    std::vector<BatchError> errors_;
};

/// Reads the lines of an input that was checked, but those that a journal has.
class BatchInput {
  public:
    BatchInput(const std::filesystem::path& input, std::string endpoint, size_t max_line)
        : reader_(DiskFile::open(input), max_line), endpoint_(std::move(endpoint)) {}

    /// Adds some more lines, perhaps none; true at the end.
    bool read_on(const BatchJournal& journal, std::vector<BatchLine>& lines);

  private:
    LineReader reader_;
    const std::string endpoint_;
};

}  // namespace qwend
