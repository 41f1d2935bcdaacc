// Request bodies at every parser of the dialect. What is accepted must be within its limits.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemon/json_error.h"
#include "daemon/openai.h"

using namespace qwend;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    const RequestLimits limits{8, 1000};
    CompletionRequest chat, text, tokenize;
    std::vector<int32_t> tokens;
    if (json_error_offset(body) > size) std::abort();
    if (!parse_chat_request(body, {}, limits, chat))
        if (chat.messages.empty() || chat.n < 1 || chat.n > 8) std::abort();
    if (!parse_completion_request(body, {}, limits, text))
        if (text.prompts.empty() || text.prompts.size() * size_t(text.n) > 8) std::abort();
    (void)parse_tokenize_request(body, limits, tokenize);
    if (!parse_detokenize_request(body, limits, tokens))
        for (int32_t token : tokens)
            if (token < 0 || token >= 1000) std::abort();
    return 0;
}
