#include "daemon/api/ollama/error.h"

#include <fmt/format.h>

#include "daemon/api/json_writer.h"
#include "model/utf8.h"

namespace qwend {

std::string render_ollama_error(const ApiError& error) {
    JsonWriter w;
    w.begin_object().key("error").string(error.message).end_object();
    return w.take();
}

ApiError ollama_model_not_found(std::string_view name) {
    return {404, "not_found_error", "model_not_found", "model",
            fmt::format("model '{}' not found", excerpt(name))};
}

ApiError ollama_not_capable(std::string_view name, std::string_view ability) {
    return bad_request(fmt::format("\"{}\" does not support {}", excerpt(name), ability));
}

}  // namespace qwend
