#include "daemon/api/batches/file_store.h"

#include <fmt/format.h>

#include <ctime>
#include <exception>
#include <filesystem>
#include <utility>
#include <vector>

#include "daemon/api/batches/disk_file.h"
#include "daemon/log.h"
#include "model/error.h"

namespace qwend {

namespace {

std::string text_of(const std::filesystem::path& path) {
    const DiskFile file = DiskFile::open(path);
    return file.read(0, file.size());
}

}  // namespace

FileStore::FileStore(const StateFolder& folder, DiskQueue& disk, uint64_t max_bytes,
                     const std::set<std::string>& kept)
    : folder_(folder), disk_(disk), max_bytes_(max_bytes) {
    try {
        load(kept);
    } catch (const std::exception& error) {
        throw LoadError(fmt::format("state-directory: {}", error.what()));
    }
}

void FileStore::load(const std::set<std::string>& kept) {
    for (const std::string& id : folder_.files_with(".json")) {
        auto file = read_file_record(text_of(folder_.file_record(id)));
        std::error_code error;
        const auto bytes = std::filesystem::file_size(folder_.file_data(id), error);
        if (!file || file->id != id || error) {
            log_warning("state-directory: {} is no file's record; it is left out",
                        folder_.file_record(id).string());
            continue;
        }
        n_bytes_ += file->bytes = bytes;
        files_.add(std::move(*file));
    }
    for (const std::string& id : folder_.files_with(".data")) {
        if (files_.find(id)) continue;
        const std::filesystem::path data = folder_.file_data(id);
        if (kept.contains(id))
            n_bytes_ += std::filesystem::file_size(data);
        else if (!std::filesystem::exists(folder_.file_record(id)))
            std::filesystem::remove(data);
    }
}

const FileRecord* FileStore::find(std::string_view id) {
    const FileRecord* const file = files_.find(id);
    const bool is_over = file && file->expires_at > 0 && file->expires_at <= std::time(nullptr);
    return is_over && !pins_.contains(file->id) ? nullptr : file;
}

RecordMap<FileRecord>::Page FileStore::page(const PageQuery& query, std::string_view purpose) {
    return files_.page(
        query, [&](const FileRecord& file) { return purpose.empty() || file.purpose == purpose; });
}

std::optional<ApiError> FileStore::refusal(uint64_t n_bytes) const {
    if (files_.size() >= kMaxFiles)
        return bad_request(fmt::format("there are {} files; delete some first", kMaxFiles), "file",
                           "storage_full");
    if (n_bytes_ + n_bytes <= max_bytes_) return std::nullopt;
    return bad_request(
        fmt::format("{} bytes more than the {} that are kept would exceed {}; delete "
                    "files first, or raise max-state",
                    n_bytes, n_bytes_, max_bytes_),
        "file", "storage_full");
}

void FileStore::publish(FileRecord file, DiskQueue::Done done) {
    disk_.run([path = folder_.file_record(file.id),
               text = render_file(file)] { replace_file(path, text); },
              [this, file, done = std::move(done)](const std::string& error) {
                  if (error.empty()) files_.add(file);
                  done(error);
              });
}

/// The record goes first: a content alone is nobody's.
bool FileStore::erase(const std::string& id) {
    if (pins_.contains(id)) return false;
    const FileRecord* const file = files_.find(id);
    if (!file) return true;
    n_bytes_ -= file->bytes;
    files_.erase(id);
    disk_.run(
        [record = folder_.file_record(id), data = folder_.file_data(id)] {
            std::filesystem::remove(record);
            std::filesystem::remove(data);
        },
        [](const std::string& error) {
            if (!error.empty()) log_error("a file could not be deleted: {}", error);
        });
    return true;
}

void FileStore::expire() {
    const int64_t now = std::time(nullptr);
    std::vector<std::string> over;
    for (const auto& [_, file] : files_)
        if (file.expires_at > 0 && file.expires_at <= now) over.push_back(file.id);
    for (const std::string& id : over) erase(id);
}

}  // namespace qwend
