#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace qwend {

/// Levels as syslog numbers them, so that journald colours and filters ("<6>message").
enum class LogLevel { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

void log_set_level(LogLevel level);
bool log_parse_level(std::string_view name, LogLevel& level);  // error warning notice info debug
bool log_enabled(LogLevel level);
/// What a terminal may be shown: control characters but for line ends, and bytes that are no UTF-8,
/// as \xNN. Messages quote files and command lines, which may hold anything.
std::string printable(std::string_view text);

/// One printable line to stderr, in one write. Under journald (JOURNAL_STREAM) with a "<N>" prefix,
/// else with time and level. Never waits: what nobody reads in time is dropped and counted; a line
/// is cut at 4 KiB. Never pass prompt or completion text. Any thread.
void log_line(LogLevel level, std::string_view message);
uint64_t log_lines_dropped();

/// Why a command ends: a line of the log under journald, for people "qwend: …", perhaps on several
/// lines. Printable. May wait.
void complain(std::string_view message);

template <class... Args>
void log_error(fmt::format_string<Args...> f, Args&&... args) {
    log_line(LogLevel::error, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> f, Args&&... args) {
    log_line(LogLevel::warning, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_notice(fmt::format_string<Args...> f, Args&&... args) {
    log_line(LogLevel::notice, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> f, Args&&... args) {
    if (log_enabled(LogLevel::info))
        log_line(LogLevel::info, fmt::format(f, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> f, Args&&... args) {
    if (log_enabled(LogLevel::debug))
        log_line(LogLevel::debug, fmt::format(f, std::forward<Args>(args)...));
}

}  // namespace qwend
