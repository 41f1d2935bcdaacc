#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qwend {

/// What is known of a file besides its content. Times are Unix time in seconds.
struct FileRecord {
    std::string id, filename, purpose;
    uint64_t bytes = 0;
    int64_t created_at = 0;
    int64_t expires_at = 0;  // 0: never

    bool operator==(const FileRecord&) const = default;
};

/// OpenAI's object, which is also what is kept.
std::string render_file(const FileRecord& file);
/// What was kept; nothing if it is no such object.
std::optional<FileRecord> read_file_record(std::string_view json);

}  // namespace qwend
