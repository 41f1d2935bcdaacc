#include "daemon/api/batches/file_record.h"

#include "daemon/api/json_writer.h"
#include "model/json_document.h"

namespace qwend {

std::string render_file(const FileRecord& file) {
    JsonWriter w;
    w.begin_object().key("id").string(file.id).key("object").string("file");
    w.key("bytes").integer(int64_t(file.bytes)).key("created_at").integer(file.created_at);
    w.key("expires_at");
    file.expires_at > 0 ? w.integer(file.expires_at) : w.null();
    w.key("filename").string(file.filename).key("purpose").string(file.purpose);
    w.key("status").string("processed").key("status_details").null().end_object();
    return w.take();
}

std::optional<FileRecord> read_file_record(std::string_view json) {
    JsonDocument document;
    if (document.parse(json) || !document.root().is_object()) return std::nullopt;
    FileRecord file;
    int64_t bytes = -1;
    for (const auto& [key, value] : document.root().members()) {
        if (key == "id") value.get(file.id);
        if (key == "bytes") value.get(bytes);
        if (key == "created_at") value.get(file.created_at);
        if (key == "expires_at") value.get(file.expires_at);
        if (key == "filename") value.get(file.filename);
        if (key == "purpose") value.get(file.purpose);
    }
    if (file.id.empty() || bytes < 0) return std::nullopt;
    file.bytes = uint64_t(bytes);
    return file;
}

}  // namespace qwend
