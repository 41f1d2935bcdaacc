#pragma once

#include <exception>
#include <functional>
#include <string>
#include <string_view>

namespace qwend {

/// Takes a sentence about something that went wrong, for a log. May be empty.
using Report = std::function<void(std::string_view)>;

/// Runs `body` where C calls us: no exception may reach a library that cannot carry it, so what is
/// thrown ends here, and is reported. Returns whether nothing was.
template <class Body>
bool guarded(const Report& report, const char* where, Body&& body) noexcept {
    try {
        body();
        return true;
    } catch (const std::exception& error) {
        try {
            if (report) report(std::string("exception in ") + where + ": " + error.what());
        } catch (...) {  // there is nobody left to tell
        }
    } catch (...) {
        try {
            if (report) report(std::string("exception in ") + where);
        } catch (...) {
        }
    }
    return false;
}

}  // namespace qwend
