#include "daemon/line_sink.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace qwend {

static_assert(LineSink::kMaxLine <= PIPE_BUF, "expected lines that a pipe takes at once");

LineSink::LineSink(int fd) : fd_(fd) {
    struct stat status {};
    if (fstat(fd, &status) != 0) return;
    is_socket_ = S_ISSOCK(status.st_mode);
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) return;
    // O_NONBLOCK belongs to what was opened, which the shell or a parent may share: hence another
    // one. Where that is not allowed (a pipe of another user's) try_write() asks poll() instead.
    own_fd_ = open(fmt::format("/proc/self/fd/{}", fd).c_str(),
                   O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

LineSink::~LineSink() {
    if (own_fd_ >= 0) close(own_fd_);
}

/// True if the line is out, or as good as: on a descriptor that nobody reads any more, or a full
/// disk, there is nobody to tell.
bool LineSink::try_write(std::string_view line) {
    buffer_.assign(torn_ ? "\n" : "").append(line.substr(0, kMaxLine - 2)) += '\n';
    ssize_t n = -1;
    if (is_socket_) {
        n = send(fd_, buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
        pollfd room{fd_, POLLOUT, 0};
        if (own_fd_ < 0 && poll(&room, 1, 0) != 1) return false;
        n = ::write(own_fd_ >= 0 ? own_fd_ : fd_, buffer_.data(), buffer_.size());
    }
    if (n < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    torn_ = size_t(n) < buffer_.size();
    return !torn_;
}

void LineSink::write(std::string_view line, std::string_view lost_prefix) {
    const bool has_room =
        n_unreported_ == 0 ||
        try_write(fmt::format("{}{} lines of the log were lost: nobody read them in time",
                              lost_prefix, n_unreported_));
    if (has_room) n_unreported_ = 0;
    if (has_room && try_write(line)) return;
    n_dropped_++, n_unreported_++;
}

}  // namespace qwend
