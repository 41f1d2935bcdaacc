#include "daemon/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <string>

#include "daemon/line_sink.h"
#include "model/utf8.h"

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

std::string printable(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        const std::string_view bytes = text.substr(at, size_t(c.length));
        at += bytes.size();
        const bool is_control =
            c.code_point < 0x20 || (c.code_point >= 0x7F && c.code_point < 0xA0);
        if (c.valid && (!is_control || c.code_point == '\n'))
            out += bytes;
        else
            for (char byte : bytes)
                fmt::format_to(std::back_inserter(out), "\\x{:02X}", uint8_t(byte));
    }
    return out;
}

void log_line(LogLevel level, std::string_view message) {
    if (!log_enabled(level)) return;
    static const bool journal = stderr_is_journal();
    const auto prefix = [](LogLevel l) {
        return journal ? fmt::format("<{}>", int(l))
                       : fmt::format("{} {:<7} ", timestamp(), level_name(l));
    };
    std::string line = prefix(level);
    line += printable(message);
    std::replace(line.begin(), line.end(), '\n', ' ');
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
        fmt::print(stderr, "qwend: {}\n", printable(message));
}

uint64_t log_lines_dropped() {
    return n_lines_dropped;
}

}  // namespace qwend
