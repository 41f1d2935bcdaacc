#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace qwend {

/// The journal's line for a request that has ended, however it ended: id, method, path, status,
/// `details` (" key=value" each) and, if its headers ever came, the time since then. `now` in
/// seconds of the clock of HttpRequest::arrived. Bounded, and one line whatever the client sent:
/// what is not printable ASCII is "?", and the query, where secrets may be, is left out.
std::string request_line(const HttpRequest& request, int status, std::string_view details,
                         double now);

/// Writes it: at level info, but for probes, which are many and say little, at debug.
void log_request(const HttpRequest& request, int status, std::string_view details, double now);

}  // namespace qwend
