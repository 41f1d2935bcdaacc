#pragma once

#include <span>
#include <string>
#include <vector>

#include "daemon/api/route.h"
#include "daemon/api/schema.h"

namespace qwend {

/// What is said of the routes of a dialect, which are those that write errors as it does.
struct DialectDescription {
    RenderError render_error;
    std::string_view name;   // for people
    std::string_view error;  // the schema of its errors
};

/// The OpenAPI document, 3.1, of these routes; those without an operation's name are left out.
/// Where keys are asked for, it says so.
std::string render_openapi(std::span<const Route> routes,
                           std::span<const DialectDescription> dialects,
                           std::span<const NamedSchema> schemas, bool needs_key);

}  // namespace qwend
