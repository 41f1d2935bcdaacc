#include "daemon/version.h"

#include <fmt/core.h>
#include <llhttp.h>
#include <simdjson.h>
#include <utf8proc.h>
#include <uv.h>

#ifndef QWEND_VERSION
#define QWEND_VERSION "unknown"
#endif

namespace qwend {

std::string_view qwend_version() {
    return QWEND_VERSION;
}

std::string_view qwend_backends() {
#ifdef QWEND_CUDA
    return "cpu,cuda";
#else
    return "cpu";
#endif
}

std::string version_text() {
#ifdef QWEND_CUDA
    const char* build = "CPU and CUDA engines";
#else
    const char* build = "CPU only: built without nvcc";
#endif
    return fmt::format(
        "qwend {}\n{}\nlibuv {}, llhttp {}.{}.{}, simdjson {}.{}.{}, utf8proc {} (Unicode {})",
        qwend_version(), build, uv_version_string(), LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
        LLHTTP_VERSION_PATCH, int(simdjson::SIMDJSON_VERSION_MAJOR),
        int(simdjson::SIMDJSON_VERSION_MINOR), int(simdjson::SIMDJSON_VERSION_REVISION),
        utf8proc_version(), utf8proc_unicode_version());
}

}  // namespace qwend
