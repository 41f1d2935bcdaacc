#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// What one connection has still to send. A turn of the loop sends a slice of it and no more, since
/// the kernel takes its time to copy, and a reader on the same machine lets it copy without end.
/// Large pieces are moved, never copied. It may be destroyed once the stream is closed.
class Output {
  public:
    Output() = default;
    Output(const Output&) = delete;

    void append(std::string_view bytes) { extend_tail(bytes.size()).append(bytes); }
    void append(const char* bytes) { append(std::string_view(bytes)); }
    void append(std::string&& bytes);
    /// Formats a small piece into place: `write` appends to the string it is given.
    template <class Write>
    void append_with(Write&& write) {
        std::string& piece = extend_tail(0);
        const size_t before = piece.size();
        write(piece);
        n_pending_ += piece.size() - before;
    }

    /// Bytes that the kernel has not taken.
    size_t n_unsent(const uv_stream_t* stream) const {
        return n_pending_ + uv_stream_get_write_queue_size(stream);
    }
    /// Whether flush() has something to do.
    bool wants_flush() const { return n_pending_ > 0 && n_fixed_ == 0; }

    /// Bytes the client has taken in, but for what nobody sees: the kernel's buffers would
    /// otherwise hide a slow reader's progress, megabytes at a time. A count that began anywhere.
    int64_t n_taken(const uv_stream_t* stream) const;

    using OnWritten = void (*)(uv_stream_t* stream, int status);
    /// Sends the next slice, in one system call if the socket takes it. What it does not take, and
    /// a slice more if there is one, libuv keeps; `on_written` is called when that has gone, and
    /// is to see to it that flush() is called again. Returns 0 or libuv's error.
    int flush(uv_stream_t* stream, OnWritten on_written);

  private:
    std::string& extend_tail(size_t n_more);
    struct Slice {
        std::vector<uv_buf_t> buffers;
        size_t n_bytes = 0, n_pieces = 0;
    };
    Slice next_slice();
    void drop(size_t n_bytes);
    int hand_over(uv_stream_t* stream, OnWritten on_written);

    std::deque<std::string> pieces_;  // libuv's first, then those that it has not seen
    size_t begin_ = 0;                // bytes of the first piece that are gone
    size_t n_pending_ = 0;            // bytes that libuv has not seen
    int64_t n_flushed_ = 0;
    // While libuv has a slice:
    uv_write_t write_{};
    OnWritten on_written_ = nullptr;
    size_t n_writing_ = 0;  // its bytes
    size_t n_fixed_ = 0;    // its pieces, which stay where they are in memory; 0: it has none
};

}  // namespace qwend
