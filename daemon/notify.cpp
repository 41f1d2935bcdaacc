#include "daemon/notify.h"

#include <fmt/core.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdint>
#include <cstdlib>

namespace qwend {

namespace {
constexpr int kMoreStartMicroseconds = 60'000'000;
}

void notify_status(std::string_view text) {
    sd_notify(0, fmt::format("STATUS={}", text).c_str());
}

void notify_loading(float progress) {
    sd_notify(0, fmt::format("STATUS=Loading weights, {:.0f} %\nEXTEND_TIMEOUT_USEC={}",
                             progress * 100, kMoreStartMicroseconds)
                     .c_str());
}

void notify_ready() {
    sd_notify(0, "READY=1");
}

void notify_reloading() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const int64_t microseconds = int64_t(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    sd_notify(0, fmt::format("RELOADING=1\nMONOTONIC_USEC={}", microseconds).c_str());
}

void notify_stopping() {
    sd_notify(0, "STOPPING=1\nSTATUS=Draining");
}

void notify_watchdog() {
    sd_notify(0, "WATCHDOG=1");
}

double watchdog_interval() {
    uint64_t microseconds = 0;
    if (sd_watchdog_enabled(0, &microseconds) <= 0) return 0;
    return double(microseconds) * 1e-6 / 3;  // two may be late before systemd acts
}

std::vector<InheritedSocket> inherited_sockets() {
    char** names = nullptr;
    const int n = sd_listen_fds_with_names(1, &names);
    std::vector<InheritedSocket> sockets;
    for (int i = 0; i < n; i++)
        sockets.push_back({SD_LISTEN_FDS_START + i, names && names[i] ? names[i] : "unknown"});
    for (int i = 0; names && names[i]; i++) std::free(names[i]);
    std::free(names);
    return sockets;
}

}  // namespace qwend
