#include "daemon/api/ollama/template_text.h"

#include <utility>

#include "daemon/api/fill_in.h"
#include "daemon/api/ollama/error.h"

namespace qwend {

namespace {

using Ids = std::vector<int32_t>;

void append(Ids& ids, const Ids& more) {
    ids.insert(ids.end(), more.begin(), more.end());
}

/// A rendered prompt without its first bytes, which no control token straddles.
RenderedPrompt without_first(const RenderedPrompt& prompt, size_t n_bytes) {
    RenderedPrompt rest{prompt.text.substr(n_bytes), {}};
    for (const ControlSpan& span : prompt.control_spans)
        if (span.begin >= n_bytes)
            rest.control_spans.push_back({span.begin - n_bytes, span.end - n_bytes});
    return rest;
}

/// What a template writes from the end of an answer to the beginning of the next one: the end of
/// the turn, and the turns in `next`. Nothing if it does not write one behind the other.
std::optional<RenderedPrompt> render_next(const ChatTemplate& chat_template,
                                          const std::vector<ChatMessage>& next) {
    const std::string answer = "qwend";
    std::vector<ChatMessage> messages = {{"user", "", {}}, {"assistant", answer, {}}};
    ChatOptions closed;
    closed.add_generation_prompt = false;
    const RenderResult before = render_chat(chat_template, messages, closed);
    messages.insert(messages.end(), next.begin(), next.end());
    const RenderResult after = render_chat(chat_template, messages, {});
    const size_t answered = before.prompt.text.rfind(answer);
    if (!before.error.empty() || !after.error.empty() || answered == std::string::npos ||
        !after.prompt.text.starts_with(before.prompt.text))
        return std::nullopt;
    return without_first(after.prompt, answered + answer.size());
}

/// The ids of an earlier prompt and its answer, and one turn more.
std::optional<ApiError> go_on(const ModelText& text, const std::vector<ChatMessage>& turn,
                              Ids context, Generation& generation) {
    std::optional<RenderedPrompt> next = render_next(text.chat_template, turn);
    if (!next)
        return bad_request(
            "context: this checkpoint's chat template cannot go on from it; use "
            "/api/chat");
    Ids more = text.tokenizer.encode(next->text, next->control_spans);
    // An answer that ended by itself has the token with which the template would end it.
    const bool is_closed = !more.empty() && more[0] == context.back() &&
                           text.tokenizer.added_token_id(text.tokenizer.token_bytes(more[0]));
    if (is_closed) more.erase(more.begin());
    append(context, more);
    generation.prompts.emplace_back(std::move(context));
    generation.stop_token_ids = text.chat_eos_token_ids;
    return std::nullopt;
}

std::optional<ApiError> fill_in(const ModelText& text, std::string_view model_name,
                                OllamaPrompt&& prompt, Generation& generation) {
    if (!fim_tokens(text.tokenizer)) return ollama_not_capable(model_name, "insert");
    if (!prompt.system.empty() || !prompt.context.empty() || prompt.raw)
        return bad_request("suffix: not together with system, context or raw", "suffix");
    generation.prompts.emplace_back(std::move(prompt.prompt));
    generation.suffix = std::move(prompt.suffix);
    return std::nullopt;
}

}  // namespace

bool shows_tools(const ChatTemplate& chat_template) {
    const std::string name = "qwend_probe";
    ChatOptions options;
    options.tools = {R"({"type":"function","function":{"name":")" + name + "\"}}"};
    const RenderResult rendered = render_chat(chat_template, {{"user", "", {}}}, options);
    return rendered.error.empty() && rendered.prompt.text.find(name) != std::string::npos;
}

bool thinks(const ModelText& text) {
    return text.output_format.reasoning != ReasoningFormat::none;
}

std::optional<ApiError> settle_prompt(const ModelText& text, std::string_view model_name,
                                      OllamaPrompt prompt, Generation& generation) {
    if (!prompt.suffix.empty()) return fill_in(text, model_name, std::move(prompt), generation);
    if (prompt.raw) {
        if (!prompt.system.empty() || !prompt.context.empty())
            return bad_request("raw mode does not support template, system, or context", "raw");
        generation.prompts.emplace_back(std::move(prompt.prompt));
        return std::nullopt;
    }
    std::vector<ChatMessage> turn;
    if (!prompt.system.empty()) turn.push_back({"system", std::move(prompt.system), {}});
    turn.push_back({"user", std::move(prompt.prompt), {}});
    if (!text.chat_template.is_usable()) {
        // A model that was not taught to converse goes on with the text.
        Ids ids = std::move(prompt.context);
        for (const ChatMessage& message : turn)
            append(ids, text.tokenizer.encode(message.content +
                                              (message.role == "system" ? "\n\n" : "")));
        generation.prompts.emplace_back(std::move(ids));
        return std::nullopt;
    }
    if (!prompt.context.empty()) return go_on(text, turn, std::move(prompt.context), generation);
    generation.messages = std::move(turn);
    return std::nullopt;
}

}  // namespace qwend
