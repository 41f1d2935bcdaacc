#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// systemd, as far as there is one: without it every function does nothing.

void notify_status(std::string_view text);  // STATUS=, for `systemctl status`
void notify_loading(float progress);        // STATUS= with percent, and more time to start
void notify_ready();
void notify_reloading();  // notify_ready() ends it
void notify_stopping();
void notify_watchdog();

/// How often to call notify_watchdog(), in seconds; 0 if no watchdog is set.
double watchdog_interval();

/// Listening descriptors handed over by a socket unit, with their FileDescriptorName.
struct InheritedSocket {
    int fd;
    std::string name;
};
std::vector<InheritedSocket> inherited_sockets();

}  // namespace qwend
