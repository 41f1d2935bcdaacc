#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/byte_queue.h"
#include "daemon/api/openai/request.h"
#include "daemon/api/responses/store.h"

namespace qwend {

/// A tool, as the model calls it and as the client knows it.
struct ResponseTool {
    enum class Kind {
        function,
        custom,  // takes text: to the model, a function of one string
    };
    std::string called;  // the name in a prompt
    Kind kind = Kind::function;
    std::string name_space, name;  // name_space empty: of none
};

/// How a response is to look.
struct ResponseStyle {
    std::string model;  // as the request names it; empty: whatever is served
    bool stream = false, tokens_as_ids = false;
    std::vector<ResponseTool> tools;
    std::string echo;  // members of the object that repeat the request, each after a comma
    // What is kept of it.
    bool can_store = true, store = true;  // can_store: as long as there is a store
    std::string previous_id;
    ByteQueue::Shared input;  // as StoredResponse's; nullptr unless it is to be stored
};

/// A body of POST /v1/responses. Its fields of sampling are those of chat, with vLLM's extensions.
/// Source: OpenAI's API reference, "Responses".
struct ResponseRequest {
    OpenAiRequest base;  // its style has what fields in common with chat say
    ResponseStyle style;
};

/// On error returns it, and `request` is of no use, but for its unknown fields. `stored`: what can
/// be gone on from.
std::optional<ApiError> parse_response_request(std::string_view body, const RulesOf& rules_of,
                                               const ResponseTable& stored,
                                               ResponseRequest& request);

}  // namespace qwend
