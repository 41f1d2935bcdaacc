#include "daemon/api/batches/line_reader.h"

#include <algorithm>

namespace qwend {

namespace {

constexpr size_t kPieceBytes = 256 << 10;

}  // namespace

std::optional<LineReader::Line> LineReader::next() {
    for (;;) {
        const size_t end = buffer_.find('\n', searched_);
        if (end != std::string::npos) return take(end, true);
        searched_ = buffer_.size();
        if (refill()) continue;
        if (begin_ == buffer_.size() && !too_long_) return std::nullopt;
        return take(buffer_.size(), false);
    }
}

LineReader::Line LineReader::take(size_t end, bool ended) {
    Line line{std::string_view(buffer_).substr(begin_, end - begin_), ++n_lines_, too_long_, ended};
    begin_ = searched_ = std::min(end + 1, buffer_.size());
    too_long_ = false;
    if (line.text.size() > max_line_) line.too_long = true;
    if (line.too_long) line.text = {};
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    return line;
}

/// False at the end of the file.
bool LineReader::refill() {
    if (buffer_.size() - begin_ > max_line_) {
        too_long_ = true;
        begin_ = buffer_.size();
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched_ = buffer_.size();
    const std::string piece = file_.read(offset_, kPieceBytes);
    offset_ += piece.size();
    buffer_ += piece;
    return !piece.empty();
}

}  // namespace qwend
