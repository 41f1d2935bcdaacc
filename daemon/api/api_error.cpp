#include "daemon/api/api_error.h"

#include <fmt/format.h>

#include <utility>

#include "model/utf8.h"

namespace qwend {

ApiError bad_request(std::string message, std::string param, std::string code) {
    return {400, "invalid_request_error", std::move(code), std::move(param), std::move(message)};
}

ApiError model_not_found(std::string_view name) {
    return {404, "not_found_error", "model_not_found", "model",
            fmt::format("no model \"{}\" is served here", excerpt(name))};
}

ApiError no_such_route(std::string_view path) {
    return {404, "not_found_error", "", "", fmt::format("no such route: {}", excerpt(path))};
}

}  // namespace qwend
