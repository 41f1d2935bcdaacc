#pragma once

#include <uv.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// What one connection has still to send: what was written in this turn of the loop, and behind it
/// what libuv holds because the socket did not take it. Large pieces are moved, never copied.
class Output {
  public:
    void append(std::string_view bytes) { tail().append(bytes); }
    void append(const char* bytes) { tail().append(bytes); }
    void append(std::string&& bytes);
    std::string& tail();  // to format small pieces into

    size_t n_written() const;  // bytes since the last flush
    size_t n_unsent(const uv_stream_t* stream) const {
        return n_written() + uv_stream_get_write_queue_size(stream);
    }

    /// Bytes the client has taken in, but for what nobody sees: the kernel's buffers would
    /// otherwise hide a slow reader's progress, megabytes at a time. A count that began anywhere.
    int64_t n_taken(const uv_stream_t* stream) const;

    using OnWritten = void (*)(uv_stream_t* stream, int status);
    /// Sends what was written, in one system call if the socket takes it. What it does not take
    /// libuv keeps, and `on_written` is called when that has gone. Returns 0 or libuv's error.
    int flush(uv_stream_t* stream, OnWritten on_written);

  private:
    int send_rest(uv_stream_t* stream, size_t n_sent, OnWritten on_written);

    std::vector<std::string> pieces_;
    int64_t n_flushed_ = 0;
};

}  // namespace qwend
