#pragma once

#include <string>
#include <string_view>

namespace qwend {

std::string_view qwend_version();   // `git describe` of the build
std::string_view qwend_backends();  // "cpu" or "cpu,cuda": what this build was compiled with

/// What `qwend --version` prints: the version, the backends, the libraries.
std::string version_text();

}  // namespace qwend
