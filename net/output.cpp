#include "net/output.h"

#include <sys/ioctl.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace qwend {

namespace {

constexpr size_t kMovedBytes = 16 << 10;  // a piece of this size is worth a buffer of its own
constexpr size_t kKeptBytes = 4 << 10;    // of a buffer, between writes

/// The buffers of `pieces`, but for the first `skip` bytes.
std::vector<uv_buf_t> buffers_of(std::vector<std::string>& pieces, size_t skip) {
    std::vector<uv_buf_t> buffers;
    for (std::string& piece : pieces) {
        const size_t skipped = std::min(skip, piece.size());
        skip -= skipped;
        if (skipped < piece.size())
            buffers.push_back(
                uv_buf_init(piece.data() + skipped, unsigned(piece.size() - skipped)));
    }
    return buffers;
}

}  // namespace

void Output::append(std::string&& bytes) {
    if (bytes.size() < kMovedBytes) return append(std::string_view(bytes));
    pieces_.push_back(std::move(bytes));
}

std::string& Output::tail() {
    if (pieces_.empty() || pieces_.back().size() >= kMovedBytes) pieces_.emplace_back();
    return pieces_.back();
}

size_t Output::n_written() const {
    size_t n = 0;
    for (const std::string& piece : pieces_) n += piece.size();
    return n;
}

int64_t Output::n_taken(const uv_stream_t* stream) const {
    int fd = -1, n_in_kernel = 0;
    if (uv_fileno(reinterpret_cast<const uv_handle_t*>(stream), &fd) != 0 ||
        ioctl(fd, TIOCOUTQ, &n_in_kernel) != 0)
        n_in_kernel = 0;
    return n_flushed_ - int64_t(uv_stream_get_write_queue_size(stream)) - n_in_kernel;
}

int Output::flush(uv_stream_t* stream, OnWritten on_written) {
    const size_t n_bytes = n_written();
    if (n_bytes == 0) return 0;
    n_flushed_ += int64_t(n_bytes);
    int n_sent = 0;
    if (uv_stream_get_write_queue_size(stream) == 0) {
        const std::vector<uv_buf_t> buffers = buffers_of(pieces_, 0);
        n_sent = uv_try_write(stream, buffers.data(), unsigned(buffers.size()));
        if (n_sent < 0 && n_sent != UV_EAGAIN) return n_sent;
        n_sent = std::max(n_sent, 0);
    }
    if (size_t(n_sent) < n_bytes) return send_rest(stream, size_t(n_sent), on_written);
    if (pieces_.size() == 1 && pieces_[0].capacity() <= kKeptBytes)
        pieces_[0].clear();  // a stream's next token finds its memory there
    else
        pieces_.clear();
    return 0;
}

int Output::send_rest(uv_stream_t* stream, size_t n_sent, OnWritten on_written) {
    struct Write {
        uv_write_t request;
        std::vector<std::string> pieces;
        OnWritten on_written;
    };
    auto write = std::make_unique<Write>(Write{{}, std::exchange(pieces_, {}), on_written});
    const std::vector<uv_buf_t> buffers = buffers_of(write->pieces, n_sent);
    write->request.data = write.get();
    const int rc = uv_write(&write->request, stream, buffers.data(), unsigned(buffers.size()),
                            [](uv_write_t* request, int status) {
                                std::unique_ptr<Write> done(static_cast<Write*>(request->data));
                                uv_stream_t* written_to = request->handle;
                                const OnWritten told = done->on_written;
                                done.reset();
                                told(written_to, status);
                            });
    if (rc == 0) write.release();
    return rc;
}

}  // namespace qwend
