#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/batches/disk_file.h"

namespace qwend {

/// Reads a file line by line, of which only a piece is in memory. One thread at a time; throws as
/// DiskFile does.
class LineReader {
  public:
    LineReader(DiskFile file, size_t max_line) : file_(std::move(file)), max_line_(max_line) {}

    struct Line {
        std::string_view text;  // until the next call; empty if it is too long
        int64_t number;         // from 1 on
        bool too_long = false;
        bool ended = true;  // by a line's end, and not by the file's
    };
    /// Nothing at the end of the file.
    std::optional<Line> next();
    /// Where in the file the line that is to come begins.
    uint64_t offset() const { return offset_ - (buffer_.size() - begin_); }

  private:
    bool refill();
    Line take(size_t end, bool ended);

    DiskFile file_;
    const size_t max_line_;
    std::string buffer_;
    size_t begin_ = 0, searched_ = 0;  // in it: the next line, and what was searched for its end
    uint64_t offset_ = 0;              // in the file, behind the buffer
    int64_t n_lines_ = 0;
    bool too_long_ = false;  // of the next line a part was left out
};

}  // namespace qwend
