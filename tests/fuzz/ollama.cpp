// Request bodies at every parser of Ollama's dialect. What is accepted must be within its limits,
// and nothing may take more than so much time a byte.

#include <cstdint>
#include <cstdlib>

#include "daemon/api/ollama/request.h"
#include "daemon/api/ollama/time_text.h"
#include "tests/fuzz/cost.h"
#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;

namespace {

const ModelText* text_of(std::string_view name) {
    return name == "other" ? nullptr : demo_text().get();
}

void check_error(const std::optional<ApiError>& error) {
    if (error && (error->message.size() > 1000 || error->param.size() > 200)) std::abort();
}

void parse_everything(std::string_view body) {
    OllamaRequest chat, generate;
    OllamaModelRequest model;
    check_error(parse_ollama_model(body, model));
    (void)parse_duration(body);
    const auto chat_error = parse_ollama_chat(body, text_of, chat);
    check_error(chat_error);
    if (!chat_error &&
        (chat.asks == OllamaRequest::Asks::generation) == chat.generation.messages.empty())
        std::abort();
    const auto error = parse_ollama_generate(body, text_of, generate);
    check_error(error);
    const Generation& q = generate.generation;
    if (!error && (generate.asks == OllamaRequest::Asks::generation) ==
                      (q.messages.empty() && q.prompts.empty()))
        std::abort();
    if (!error && (q.sampling.top_p <= 0 || q.sampling.top_k < 0 || q.max_tokens == 0))
        std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string body = amplified({reinterpret_cast<const char*>(data), size});
    within_cost("ollama", body.size(), [&] { parse_everything(body); });
    return 0;
}
