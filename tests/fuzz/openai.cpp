// Request bodies at every parser of the dialect. What is accepted must be within its limits, and
// nothing may take more than so much time a byte, up to the largest body. An input of the form
// BEGIN \x1E PIECE \x1E END is a body with PIECE again and again, \x1F in it being a number of its
// own each time.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "daemon/api/openai/request.h"
#include "model/json_document.h"
#include "model/text/python_json.h"
#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

constexpr size_t kLargest = 8u << 20, kUsual = 64u << 10;  // bytes
constexpr double kPatience = 1, kPerByte = 5e-6;           // s; linear parsing takes a tenth

double cpu_seconds() {
    timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

std::string amplified(std::string_view input) {
    const size_t first = input.find('\x1E');
    if (first == std::string_view::npos) return std::string(input);
    const size_t second = std::min(input.find('\x1E', first + 1), input.size());
    const std::string_view piece = input.substr(first + 1, second - first - 1);
    const std::string_view end = input.substr(std::min(second + 1, input.size()));
    static size_t turn = 0;
    const size_t size = turn++ % 1024 ? kUsual : kLargest;
    std::string body(input.substr(0, first));
    for (size_t i = 0; !piece.empty() && body.size() + piece.size() + end.size() < size; i++)
        for (char c : piece)
            if (c == '\x1F')
                body += std::to_string(i);
            else
                body += c;
    return body.append(end);
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
        std::string rendered;
        for (const std::string& tool : chat.generation.chat_options.tools)
            if (!append_python_json(rendered, tool)) std::abort();
        for (const ChatMessage& message : chat.generation.messages)
            for (const ChatToolCall& call : message.tool_calls)
                if (!append_python_json(rendered, call.arguments)) std::abort();
    }
    if (const auto error = parse_completion_request(body, {}, limits, text)) {
        if (error->message.size() > 1000 || error->param.size() > 200) std::abort();
    } else if (text.generation.prompts.empty() ||
               text.generation.prompts.size() * size_t(text.generation.n) > 8) {
        std::abort();
    }
    (void)parse_tokenize_request(body, limits, tokenize);
    if (!parse_detokenize_request(body, limits, tokens))
        for (int32_t token : tokens)
            if (token < 0 || token >= 1000) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string body = amplified({reinterpret_cast<const char*>(data), size});
    const double began = cpu_seconds();
    parse_everything(body);
    const double took = cpu_seconds() - began;
    if (took > kPatience + kPerByte * double(body.size())) {
        std::fprintf(stderr, "%zu bytes took %.1f s\n", body.size(), took);
        std::abort();
    }
    return 0;
}
