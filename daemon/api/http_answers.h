#pragma once

#include <string>

#include "daemon/api/api_error.h"
#include "daemon/api/route.h"
#include "net/http.h"

namespace qwend {

HttpResponse json_response(std::string body, int status = 200);
/// An error as a dialect writes it, with the headers its status calls for.
HttpResponse error_response(const ApiError& error, RenderError render);
/// Answers with an error, as the dialect of the exchange's route writes it.
void respond_error(Exchange& exchange, const ApiError& error);

}  // namespace qwend
