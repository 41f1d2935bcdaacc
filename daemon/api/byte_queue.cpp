#include "daemon/api/byte_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kCopiedBytes = 1024;  // fewer are not worth a piece of their own
constexpr size_t kKeptBytes = 4096;

}  // namespace

ByteQueue& ByteQueue::append(std::string_view bytes) {
    if (pieces_.empty() || pieces_.back().shared) pieces_.emplace_back();
    pieces_.back().own += bytes;
    size_ += bytes.size();
    n_owned_ += bytes.size();
    return *this;
}

ByteQueue& ByteQueue::append(std::string&& bytes) {
    if (bytes.size() <= kCopiedBytes) return append(std::string_view(bytes));
    size_ += bytes.size();
    n_owned_ += bytes.size();
    pieces_.push_back({std::move(bytes), nullptr});
    return *this;
}

ByteQueue& ByteQueue::append(Shared bytes) {
    if (!bytes || bytes->empty()) return *this;
    size_ += bytes->size();
    pieces_.push_back({{}, std::move(bytes)});
    return *this;
}

ByteQueue& ByteQueue::append(const std::vector<Shared>& pieces) {
    for (const Shared& piece : pieces) append(piece);
    return *this;
}

ByteQueue& ByteQueue::append(ByteQueue&& queue) {
    if (queue.begin_ > 0) {  // the pieces that follow begin at their beginning
        std::string rest;
        const size_t n = queue.pieces_.front().view().size() - queue.begin_;
        queue.take(rest, n);
        append(std::move(rest));
    }
    size_ += queue.size_;
    n_owned_ += queue.n_owned_;
    std::move(queue.pieces_.begin(), queue.pieces_.end(), std::back_inserter(pieces_));
    queue = {};
    return *this;
}

void ByteQueue::take(std::string& out, size_t most) {
    while (most > 0 && size_ > 0) {
        const Piece& piece = pieces_.front();
        const std::string_view rest = piece.view().substr(begin_);
        const size_t n = std::min(rest.size(), most);
        out += rest.substr(0, n);
        most -= n;
        size_ -= n;
        if (!piece.shared) n_owned_ -= n;
        begin_ += n;
        if (n < rest.size()) break;
        begin_ = 0;
        // What is empty keeps some memory, which the next event of a stream finds.
        if (pieces_.size() == 1 && !piece.shared && piece.own.capacity() <= kKeptBytes)
            pieces_.front().own.clear();
        else
            pieces_.pop_front();
    }
}

}  // namespace qwend
