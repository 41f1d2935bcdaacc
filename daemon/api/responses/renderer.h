#pragma once

#include <memory>

#include "daemon/api/answer_renderer.h"
#include "daemon/api/responses/request.h"
#include "daemon/api/responses/store.h"

namespace qwend {

/// A response as a stream or a document: both forms are written from the same items. One that is
/// complete goes to `store`, without logprobs, if its style says so.
MakeRenderer response_renderer(ResponseStyle style, std::shared_ptr<ResponseStore> store);

}  // namespace qwend
