#include "daemon/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>

#include "daemon/line_sink.h"

namespace qwend {

namespace {

std::atomic<LogLevel> threshold{LogLevel::info};
std::atomic<uint64_t> n_lines_dropped{0};

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::error:
            return "error";
        case LogLevel::warning:
            return "warning";
        case LogLevel::notice:
            return "notice";
        case LogLevel::info:
            return "info";
        case LogLevel::debug:
            return "debug";
    }
    return "?";
}

/// Whether stderr is the journal's own stream: systemd names its device and inode.
bool stderr_is_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || fstat(STDERR_FILENO, &status) != 0) return false;
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::string timestamp() {
    const std::time_t now = std::time(nullptr);
    std::tm local;
    localtime_r(&now, &local);
    char buffer[32];
    return {buffer, std::strftime(buffer, sizeof buffer, "%F %T", &local)};
}

}  // namespace

void log_set_level(LogLevel level) {
    threshold = level;
}

bool log_parse_level(std::string_view name, LogLevel& level) {
    for (LogLevel l :
         {LogLevel::error, LogLevel::warning, LogLevel::notice, LogLevel::info, LogLevel::debug})
        if (name == level_name(l)) {
            level = l;
            return true;
        }
    return false;
}

bool log_enabled(LogLevel level) {
    return level <= threshold.load();
}

void log_line(LogLevel level, std::string_view message) {
    if (!log_enabled(level)) return;
    static const bool journal = stderr_is_journal();
    const auto prefix = [](LogLevel l) {
        return journal ? fmt::format("<{}>", int(l))
                       : fmt::format("{} {:<7} ", timestamp(), level_name(l));
    };
    std::string line = prefix(level);
    for (char c : message) line += c == '\n' || c == '\r' ? ' ' : c;
    // Never destroyed: threads may log while the process ends.
    static auto& sink = *new LineSink(STDERR_FILENO);
    static std::mutex mutex;  // held for no longer than it takes to copy a line
    std::lock_guard lock(mutex);
    sink.write(line, prefix(LogLevel::warning));
    n_lines_dropped = sink.n_dropped();
}

void complain(std::string_view message) {
    if (stderr_is_journal())
        log_line(LogLevel::error, message);
    else
        fmt::print(stderr, "qwend: {}\n", message);
}

uint64_t log_lines_dropped() {
    return n_lines_dropped;
}

}  // namespace qwend
