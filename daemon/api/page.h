#pragma once

#include <string_view>

#include "net/http.h"

namespace qwend {

/// The page for people at GET /: a chat, and how the process is. It is made of the files in page/
/// when qwend is built, is the same for everybody and tells nothing of what is served: that it asks
/// of the API, with the key of whoever reads it. 304 where the browser has it already.
HttpResponse page_response(const HttpRequest& request);

/// Whether an If-None-Match names the entity tag. Source: RFC 9110, section 13.1.2.
bool names_entity_tag(std::string_view if_none_match, std::string_view tag);

/// Whether an Accept-Encoding takes gzip. Source: RFC 9110, section 12.5.3.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace qwend
