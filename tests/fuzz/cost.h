#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

/// The processor's time of this thread, in seconds: the machine may be busy.
inline double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

/// A text whose cost grows faster than its length shows that only when it is long. So the first
/// inputs, which are the corpus, and some of the others are repeated: of BEGIN \x1E UNIT the UNIT,
/// of any other all of it; and a few are made as long as the largest text there can be.
inline std::string amplified(std::string_view input, size_t largest = 8u << 20) {
    constexpr size_t kUsual = 64u << 10;  // bytes
    static size_t turn = 0;
    turn++;
    if (input.empty() || (turn > 64 && turn % 32 != 0)) return std::string(input);
    const size_t mark = input.find('\x1E');
    const bool has_unit = mark != std::string_view::npos && mark + 1 < input.size();
    const std::string_view unit = has_unit ? input.substr(mark + 1) : input;
    std::string text(has_unit ? input.substr(0, mark) : std::string_view());
    const size_t size = turn % 8192 == 0 ? largest : kUsual;
    while (text.size() < size) text += unit;
    return text;
}

/// Ends the process if `work` takes more than a time that is many times what it should, sanitizers
/// included: one second, and five microseconds a byte.
template <typename Work>
void within_cost(const char* what, size_t bytes, const Work& work) {
    const double began = cpu_seconds();
    work();
    const double took = cpu_seconds() - began;
    if (took < 1 + 5e-6 * double(bytes)) return;
    std::fprintf(stderr, "%s: %zu bytes took %.1f s\n", what, bytes, took);
    std::abort();
}
