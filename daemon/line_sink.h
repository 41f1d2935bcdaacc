#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace qwend {

/// Whole lines to a descriptor, without ever waiting for who reads it: a line that finds no room is
/// dropped and counted. Once there is room again, a line says how many are missing. Not for several
/// threads at once.
class LineSink {
  public:
    /// Most bytes of a line, its end included: a pipe takes so many at once or none (PIPE_BUF).
    static constexpr size_t kMaxLine = 4096;

    /// `fd` stays the caller's. Its flags are not changed: whoever inherited it shares them.
    explicit LineSink(int fd);
    ~LineSink();
    LineSink(const LineSink&) = delete;

    /// One line without its end. `lost_prefix` begins the line that tells of lost ones.
    void write(std::string_view line, std::string_view lost_prefix);
    uint64_t n_dropped() const { return n_dropped_; }  // since the start

  private:
    bool try_write(std::string_view line);

    int fd_;
    int own_fd_ = -1;  // the same pipe or terminal, opened anew so that it can be non-blocking
    bool is_socket_ = false;
    bool torn_ = false;  // a part of a line went out
    uint64_t n_dropped_ = 0, n_unreported_ = 0;
    std::string buffer_;
};

}  // namespace qwend
