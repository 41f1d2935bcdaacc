#include "daemon/api/batches/batch_journal.h"

#include "daemon/api/batches/batch_line.h"
#include "daemon/api/batches/line_reader.h"

namespace qwend {

namespace {

constexpr size_t kMaxLine = 512u << 20;  // bytes; an answer is bounded where it is made

}  // namespace

BatchJournal::BatchJournal(const std::filesystem::path& outputs,
                           const std::filesystem::path& errors) {
    files_.push_back(DiskFile::create(outputs));
    files_.push_back(DiskFile::create(errors));
    recover(0, outputs);
    recover(1, errors);
}

/// A line that cannot be read ends what counts: after a loss of power there may be more than one
/// that was not written as a whole.
void BatchJournal::recover(size_t which, const std::filesystem::path& path) {
    LineReader reader(DiskFile::open(path), kMaxLine);
    while (const auto line = reader.next()) {
        const auto answered = read_answered_line(line->text);
        if (!line->ended || !answered) break;
        ends_[which] = reader.offset();
        answered_.insert(answered->custom_id);
        if (which == 0)
            n_outputs_++;
        else
            answered->was_made ? n_errors_++ : n_unmade_++;
    }
    if (files_[which].size() > ends_[which]) files_[which].truncate(ends_[which]);
}

void BatchJournal::append(std::string_view outputs, std::string_view errors) {
    const std::array<std::string_view, 2> texts = {outputs, errors};
    try {
        for (size_t i = 0; i < 2; i++) {
            if (texts[i].empty()) continue;
            files_[i].write(ends_[i], texts[i]);
            files_[i].sync();
        }
    } catch (...) {
        for (size_t i = 0; i < 2; i++) files_[i].truncate(ends_[i]);
        throw;
    }
    for (size_t i = 0; i < 2; i++) ends_[i] += texts[i].size();
}

}  // namespace qwend
