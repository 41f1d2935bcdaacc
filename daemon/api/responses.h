#pragma once

#include <string>

#include "daemon/api/openai.h"
#include "net/http.h"

namespace qwend {

HttpResponse json_response(std::string body, int status = 200);
/// OpenAI's error object, with the headers its status calls for.
HttpResponse error_response(const ApiError& error);

}  // namespace qwend
