#include "daemon/api/prompts.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <climits>
#include <string_view>

namespace qwend {

namespace {

uint64_t random_seed() {
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

/// As the template has it, or the message that is to be continued.
bool goes_on_thinking(const Generation& generation, std::string_view prompt) {
    if (!generation.chat_options.continue_final_message) return ends_in_reasoning(prompt);
    const std::string& begun = generation.messages.back().content;
    const size_t open = begun.rfind("<think>"), close = begun.rfind("</think>");
    return open != begun.npos && (close == begun.npos || close < open);
}

/// In the words that clients look for: OpenAI's, and Anthropic's where only the prompt is at fault.
std::string too_long(const Generation& generation, size_t n_prompt, int wanted, int context_limit) {
    if (generation.clips_max_tokens)
        return fmt::format("prompt is too long: {} tokens > {} maximum", n_prompt,
                           context_limit - wanted);
    return fmt::format(
        "This model's maximum context length is {} tokens, but the prompt has {} tokens and room "
        "for {} more was asked for; shorten one of the two",
        context_limit, n_prompt, wanted);
}

}  // namespace

EncodedPrompts encode_prompts(const ModelText& model, const Generation& generation) {
    EncodedPrompts encoded;
    if (!generation.messages.empty()) {
        RenderResult rendered =
            render_chat(model.chat_template, generation.messages, generation.chat_options);
        if (!rendered.error.empty()) {
            encoded.error =
                bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param);
            return encoded;
        }
        encoded.prompts.push_back(
            model.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans));
        // A template writes what it wants; more is added to a chat only where that is asked for.
        if (generation.add_special_tokens.value_or(false))
            model.tokenizer.add_special_tokens(encoded.prompts.back());
        encoded.end_in_reasoning = goes_on_thinking(generation, rendered.prompt.text);
    }
    for (const Prompt& prompt : generation.prompts) {
        if (auto* ids = std::get_if<std::vector<int32_t>>(&prompt)) {
            encoded.prompts.push_back(*ids);
            continue;
        }
        encoded.prompts.push_back(
            model.tokenizer.encode_with_added_tokens(std::get<std::string>(prompt)));
        if (generation.add_special_tokens.value_or(true))
            model.tokenizer.add_special_tokens(encoded.prompts.back());
    }
    return encoded;
}

std::optional<ApiError> fit_generation(const ModelText& model, int context_limit,
                                       Generation& generation,
                                       std::vector<std::vector<int32_t>>& prompts) {
    const bool is_chat = !generation.messages.empty();
    const int wanted = generation.clips_max_tokens ? 1 : generation.max_tokens.value_or(1);
    int most = generation.truncate_prompt_tokens.value_or(INT_MAX);
    if (most == kToContext) most = std::max(context_limit - wanted, 1);
    size_t longest = 0;
    for (size_t i = 0; i < prompts.size(); i++) {
        std::vector<int32_t>& prompt = prompts[i];
        const bool truncated = prompt.size() > size_t(most);
        if (truncated) prompt.erase(prompt.begin(), prompt.end() - most);
        // The client's own text is echoed, as far as there is one: encoding normalises it.
        if (generation.echo &&
            (truncated || std::holds_alternative<std::vector<int32_t>>(generation.prompts[i])))
            generation.prompts[i] = model.tokenizer.decode(prompt, false);
        if (prompt.empty()) return bad_request("the prompt is empty", generation.prompt_field);
        longest = std::max(longest, prompt.size());
    }
    if (longest + size_t(wanted) > size_t(context_limit))
        return bad_request(too_long(generation, longest, wanted, context_limit),
                           generation.prompt_field, "context_length_exceeded");
    const int room = context_limit - int(longest);
    generation.max_tokens = std::min(generation.max_tokens.value_or(room), room);
    generation.sampling.seed = generation.seed.value_or(random_seed());
    generation.sampling.stop_token_ids = generation.stop_token_ids;
    const auto& ends = is_chat ? model.chat_eos_token_ids : model.eos_token_ids;
    if (!generation.ignore_eos)
        generation.sampling.stop_token_ids.insert(generation.sampling.stop_token_ids.end(),
                                                  ends.begin(), ends.end());
    if (masks_everything(generation.sampling))
        return bad_request(
            "allowed_token_ids: all of them end the answer, which min_tokens forbids "
            "at its beginning; allow another id, or set min_tokens to 0",
            "allowed_token_ids");
    return std::nullopt;
}

}  // namespace qwend
