#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "daemon/api/batches/disk_file.h"

namespace qwend {

/// The two files that a batch's answers go to, which say what of it is done: they outlive the
/// process, whenever it ends. One thread at a time; throws as DiskFile does.
class BatchJournal {
  public:
    /// Opens or makes both. Whatever is behind the last whole line goes; the others are kept.
    BatchJournal(const std::filesystem::path& outputs, const std::filesystem::path& errors);

    bool has(const std::string& custom_id) const { return answered_.contains(custom_id); }
    int64_t n_outputs() const { return n_outputs_; }
    int64_t n_errors() const { return n_errors_; }  // but those of requests that were never made
    int64_t n_unmade() const { return n_unmade_; }
    uint64_t output_bytes() const { return ends_[0]; }
    uint64_t error_bytes() const { return ends_[1]; }

    /// Adds whole lines to both, and has them on the disk; or none, if it throws.
    void append(std::string_view outputs, std::string_view errors);

  private:
    void recover(size_t which, const std::filesystem::path& path);

    std::vector<DiskFile> files_;
    std::array<uint64_t, 2> ends_{};
    std::unordered_set<std::string> answered_;  // before this process
    int64_t n_outputs_ = 0, n_errors_ = 0, n_unmade_ = 0;
};

}  // namespace qwend
