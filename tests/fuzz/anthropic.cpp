// Request bodies at the parser of Anthropic's dialect. What is accepted must be within its limits,
// and nothing may take more than so much time a byte, up to the largest body.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/api/anthropic/request.h"
#include "model/json_document.h"
#include "tests/fuzz/bodies.h"
#include "tests/fuzz/cost.h"

using namespace qwend;

namespace {

void parse(std::string_view body) {
    static const GenerationDefaults defaults;
    const auto defaults_of = [](std::string_view model) {
        return model.size() < 10 ? &defaults : nullptr;
    };
    AnthropicRequest request, counted;
    const auto error = parse_messages_request(body, defaults_of, request);
    if (request.unknown_fields.size() > size_t(request.n_unknown_fields)) std::abort();
    if (error) {
        if (error->message.size() > 1000 || error->param.size() > 200) std::abort();
        if (error->param != "max_tokens" && !parse_count_request(body, defaults_of, counted))
            std::abort();
        return;
    }
    const Generation& q = request.generation;
    if (q.messages.empty() || q.messages.size() > 4097 || *q.max_tokens < 1 || q.n != 1)
        std::abort();
    JsonDocument document;
    for (const std::string& tool : q.chat_options.tools)
        if (document.parse(tool)) std::abort();
    for (const ChatMessage& message : q.messages)
        for (const ChatToolCall& call : message.tool_calls)
            if (document.parse(call.arguments)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string body = amplified_body({reinterpret_cast<const char*>(data), size});
    within_cost("a body", body.size(), [&] { parse(body); });
    return 0;
}
