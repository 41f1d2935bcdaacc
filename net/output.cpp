#include "net/output.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kMovedBytes = 16 << 10;   // a piece of this size is worth a buffer of its own
constexpr size_t kKeptBytes = 4 << 10;     // of a buffer, between writes
constexpr size_t kSliceBytes = 512 << 10;  // about 0.2 ms of the kernel's time

}  // namespace

void Output::append(std::string&& bytes) {
    if (bytes.size() < kMovedBytes) return append(std::string_view(bytes));
    n_pending_ += bytes.size();
    pieces_.push_back(std::move(bytes));
}

/// The last piece, to be appended to; `n_more` bytes are counted as if they were there. What libuv
/// has stays where it is in memory.
std::string& Output::extend_tail(size_t n_more) {
    if (pieces_.size() == n_fixed_ || pieces_.back().size() >= kMovedBytes) pieces_.emplace_back();
    n_pending_ += n_more;
    return pieces_.back();
}

int64_t Output::n_taken(const uv_stream_t* stream) const {
    int fd = -1, n_in_kernel = 0;
    if (uv_fileno(reinterpret_cast<const uv_handle_t*>(stream), &fd) != 0 ||
        ioctl(fd, TIOCOUTQ, &n_in_kernel) != 0)
        n_in_kernel = 0;
    return n_flushed_ - int64_t(uv_stream_get_write_queue_size(stream)) - n_in_kernel;
}

Output::Slice Output::next_slice() {
    Slice slice;
    size_t skip = begin_;
    for (std::string& piece : pieces_) {
        if (slice.n_bytes == kSliceBytes) break;
        const size_t n = std::min(piece.size() - skip, kSliceBytes - slice.n_bytes);
        if (n > 0) slice.buffers.push_back(uv_buf_init(piece.data() + skip, unsigned(n)));
        slice.n_bytes += n;
        slice.n_pieces++;
        skip = 0;
    }
    return slice;
}

/// Forgets the first bytes, which are gone.
void Output::drop(size_t n_bytes) {
    begin_ += n_bytes;
    while (!pieces_.empty() && begin_ >= pieces_.front().size()) {
        begin_ -= pieces_.front().size();
        if (pieces_.size() == 1 && pieces_[0].capacity() <= kKeptBytes)
            return pieces_[0].clear();  // a stream's next token finds its memory there
        pieces_.pop_front();
    }
}

int Output::flush(uv_stream_t* stream, OnWritten on_written) {
    if (!wants_flush()) return 0;
    const auto buffers = next_slice().buffers;
    const int n_sent = uv_try_write(stream, buffers.data(), unsigned(buffers.size()));
    if (n_sent < 0 && n_sent != UV_EAGAIN) return n_sent;
    if (n_sent > 0) {
        n_pending_ -= size_t(n_sent);
        n_flushed_ += n_sent;
        drop(size_t(n_sent));
    }
    return n_pending_ > 0 ? hand_over(stream, on_written) : 0;
}

int Output::hand_over(uv_stream_t* stream, OnWritten on_written) {
    const Slice slice = next_slice();
    auto written = [](uv_write_t* request, int status) {
        auto* self = static_cast<Output*>(request->data);
        self->n_fixed_ = 0;
        self->drop(self->n_writing_);
        self->on_written_(request->handle, status);
    };
    write_.data = this;
    on_written_ = on_written;
    const int rc =
        uv_write(&write_, stream, slice.buffers.data(), unsigned(slice.buffers.size()), written);
    if (rc != 0) return rc;
    n_fixed_ = slice.n_pieces;
    n_writing_ = slice.n_bytes;
    n_pending_ -= slice.n_bytes;
    n_flushed_ += int64_t(slice.n_bytes);
    return 0;
}

}  // namespace qwend
