#include "daemon/api/openai/error.h"

#include "daemon/api/json_writer.h"

namespace qwend {

std::string render_openai_error(const ApiError& error) {
    JsonWriter w;
    auto or_null = [&](const std::string& value) { value.empty() ? w.null() : w.string(value); };
    w.begin_object().key("error").begin_object();
    w.key("message").string(error.message).key("type").string(error.type);
    w.key("param"), or_null(error.param);
    w.key("code"), or_null(error.code);
    w.end_object().end_object();
    return w.take();
}

}  // namespace qwend
