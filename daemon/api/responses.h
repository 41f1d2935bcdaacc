#pragma once

#include "daemon/api/http_answers.h"
#include "daemon/api/openai.h"

namespace qwend {

inline HttpResponse error_response(const ApiError& error) {
    return error_response(error, render_error);
}

}  // namespace qwend
