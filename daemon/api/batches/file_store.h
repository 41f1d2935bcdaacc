#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "daemon/api/api_error.h"
#include "daemon/api/batches/disk_queue.h"
#include "daemon/api/batches/file_record.h"
#include "daemon/api/batches/record_map.h"
#include "daemon/api/batches/state_folder.h"

namespace qwend {

/// The files there are. What is known of them is in memory, their content on the disk. Loop thread.
class FileStore {
  public:
    /// Reads what there is, and removes what is half there but for the contents in `kept`: to be
    /// made before the loop runs. Throws LoadError.
    FileStore(const StateFolder& folder, DiskQueue& disk, uint64_t max_bytes,
              const std::set<std::string>& kept);

    /// Nothing there by this name, or its time is over: nullptr.
    const FileRecord* find(std::string_view id);
    RecordMap<FileRecord>::Page page(const PageQuery& query, std::string_view purpose);

    /// Why no file of so many bytes can be added; nothing if it can.
    std::optional<ApiError> refusal(uint64_t n_bytes) const;
    /// Bytes that are about to become a file, or part of one that grows.
    void count(int64_t n_bytes) { n_bytes_ += uint64_t(n_bytes); }
    bool is_full() const { return n_bytes_ >= max_bytes_; }
    uint64_t n_bytes() const { return n_bytes_; }

    /// Takes in a file whose record and content are on the disk, and counted.
    void add(FileRecord file) { files_.add(std::move(file)); }
    /// Puts the record of a content that is there beside it, and then takes it in.
    void publish(FileRecord file, DiskQueue::Done done);
    /// False: somebody works with it.
    bool erase(const std::string& id);

    /// Nobody may erase it, nor does its time end, until as many let go of it.
    void pin(const std::string& id) { pins_[id]++; }
    void unpin(const std::string& id) {
        if (--pins_[id] == 0) pins_.erase(id);
    }
    /// Erases what has had its time.
    void expire();

    static constexpr size_t kMaxFiles = 10'000;

  private:
    void load(const std::set<std::string>& kept);

    const StateFolder& folder_;
    DiskQueue& disk_;
    const uint64_t max_bytes_;
    uint64_t n_bytes_ = 0;
    RecordMap<FileRecord> files_;
    std::map<std::string, int> pins_;
};

}  // namespace qwend
