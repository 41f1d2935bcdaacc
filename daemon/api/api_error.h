#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// What a client did wrong, or what keeps us from answering; how it is written is the dialect's.
struct ApiError {
    int status = 400;
    std::string type = "invalid_request_error";
    std::string code;   // empty: none
    std::string param;  // path of the field; empty: none
    std::string message;
    std::string request_id = {};  // of the request that is answered with it, once it is
};
/// A 400 that names the field, if there is one.
ApiError bad_request(std::string message, std::string param = {}, std::string code = {});
/// A 404 for a model that is not served.
ApiError model_not_found(std::string_view name);
/// A 404 for a path at which there is nothing.
ApiError no_such_route(std::string_view path);

}  // namespace qwend
