// Request bodies at every parser of the dialect, and at that of responses. What is accepted must be
// within its limits, and nothing may take more than so much time a byte, up to the largest body.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/api/openai/request.h"
#include "daemon/api/responses/output_item.h"
#include "daemon/api/responses/request.h"
#include "daemon/api/vectors/request.h"
#include "model/json_document.h"
#include "tests/fuzz/bodies.h"
#include "tests/fuzz/cost.h"
#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

/// A response that goes on from one whose input was the same body.
void parse_response(std::string_view body) {
    StoredResponse before{.id = "p",
                          .previous_id = "",
                          .input = std::make_shared<std::string>(body),
                          .head = nullptr,
                          .output = R"({"type":"message","role":"assistant","content":"x"})",
                          .tail = ""};
    const ResponseTable stored = {{"p", std::make_shared<const StoredResponse>(before)}};
    const GenerationDefaults defaults;
    ResponseRequest request;
    const auto error = parse_response_request(
        body,
        [&](std::string_view) {
            return RequestRules{defaults, {8, 1000}};
        },
        stored, request);
    if (error && (error->message.size() > 1000 || error->param.size() > 200)) std::abort();
    if (error) return;
    const Generation& generation = request.base.generation;
    if (generation.messages.empty()) std::abort();
    JsonDocument document;
    for (const std::string& tool : generation.chat_options.tools)
        if (document.parse(tool)) std::abort();
    for (const ChatMessage& message : generation.messages)
        for (const ChatToolCall& call : message.tool_calls)
            if (document.parse(call.arguments)) std::abort();
    JsonDocument echo;
    const std::string object = "{" + request.style.echo.substr(1) + "}";
    if (echo.parse(object) || object.find_first_of("\r\n") != std::string::npos) std::abort();
}

void parse_vectors(std::string_view body) {
    const GenerationDefaults defaults;
    const auto rules = [&](std::string_view) { return RequestRules{defaults, {8, 1000}}; };
    for (const unsigned scope : {kEmbeddings, kClassify, kPooling, kScore, kRerank}) {
        VectorRequest request;
        const auto error = parse_vector_request(body, scope, rules, request);
        if (error && (error->message.size() > 1000 || error->param.size() > 200)) std::abort();
        if (error) continue;
        const bool has_texts =
            !request.inputs.empty() || !request.common.generation.messages.empty();
        const bool has_pairs = !request.queries.empty() && !request.documents.empty();
        if (scope & kOfTexts ? !has_texts : !has_pairs) std::abort();
    }
}

void parse_everything(std::string_view body) {
    const RequestLimits limits{8, 1000};
    OpenAiRequest chat, text, tokenize;
    std::vector<int32_t> tokens;
    JsonDocument document;
    if (const auto fault = document.parse(body); fault && fault->offset > body.size()) std::abort();
    if (!parse_chat_request(body, {}, limits, chat)) {
        if (chat.generation.messages.empty() || chat.generation.n < 1 || chat.generation.n > 8)
            std::abort();
        for (const std::string& tool : chat.generation.chat_options.tools)
            if (document.parse(tool)) std::abort();
        for (const ChatMessage& message : chat.generation.messages)
            for (const ChatToolCall& call : message.tool_calls)
                if (document.parse(call.arguments)) std::abort();
    }
    if (const auto error = parse_completion_request(body, {}, limits, text)) {
        if (error->message.size() > 1000 || error->param.size() > 200) std::abort();
    } else if (text.generation.prompts.empty() ||
               text.generation.prompts.size() * size_t(text.generation.n) > 8) {
        std::abort();
    }
    parse_response(body);
    parse_vectors(body);
    (void)custom_input(std::string(body));
    (void)parse_tokenize_request(body, limits, tokenize);
    if (!parse_detokenize_request(body, limits, tokens))
        for (int32_t token : tokens)
            if (token < 0 || token >= 1000) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string body = amplified_body({reinterpret_cast<const char*>(data), size});
    within_cost("a body", body.size(), [&] { parse_everything(body); });
    return 0;
}
