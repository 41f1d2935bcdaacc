#include "daemon/api/prompts.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <climits>
#include <limits>
#include <string_view>

#include "daemon/api/fill_in.h"

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

/// In the words that clients look for: OpenAI's, and Anthropic's where a shorter prompt would do.
/// What is built upon OpenAI's SDK may see of an error no more than its message.
std::string too_long(const Generation& generation, size_t n_prompt, int wanted, int context_limit) {
    if (generation.clips_max_tokens)
        return fmt::format("prompt is too long: {} tokens > {} maximum", n_prompt,
                           context_limit - wanted);
    if (wanted >= context_limit)
        return fmt::format(
            "This model's maximum context length is {} tokens, but after a prompt of {} tokens "
            "room for {} more was asked for; ask for fewer",
            context_limit, n_prompt, wanted);
    return fmt::format(
        "This model's maximum context length is {} tokens, and the prompt is too long: it has {} "
        "tokens, and room for {} more was asked for",
        context_limit, n_prompt, wanted);
}

/// Prompts that have a gap behind them. All their text is text, also where it spells a control
/// token: it may be a source that does.
EncodedPrompts encode_gaps(const ModelText& model, const Generation& generation) {
    EncodedPrompts encoded;
    const auto tokens = fim_tokens(model.tokenizer);
    if (!tokens) {
        encoded.error = bad_request(
            "suffix: this model was not taught to fill in: its tokenizer has no "
            "<|fim_prefix|>, <|fim_suffix|> and <|fim_middle|>",
            "suffix");
        return encoded;
    }
    const std::vector<int32_t> after = model.tokenizer.encode(generation.suffix);
    // Every prompt has a copy of it: what never fits must not be copied.
    if (after.size() > size_t(model.max_model_len)) {
        encoded.error =
            bad_request(too_long(generation, after.size(), generation.max_tokens.value_or(1),
                                 model.max_model_len),
                        "suffix", "context_length_exceeded");
        return encoded;
    }
    for (const Prompt& prompt : generation.prompts) {
        const auto* ids = std::get_if<std::vector<int32_t>>(&prompt);
        encoded.prompts.push_back(fim_prompt(
            *tokens, ids ? *ids : model.tokenizer.encode(std::get<std::string>(prompt)), after));
    }
    return encoded;
}

/// The last bias of an id counts, so that a client's own does not allow what it bans.
void ban_words(const Tokenizer& tokenizer, Generation& generation) {
    if (generation.bad_words.empty()) return;
    BannedWords banned = banned_words(tokenizer, generation.bad_words);
    for (int32_t token : banned.tokens)
        generation.sampling.logit_bias.emplace_back(token, -std::numeric_limits<float>::infinity());
    if (!banned.sequences.empty())
        generation.banned = std::make_shared<BannedSequences>(std::move(banned.sequences));
}

}  // namespace

EncodedPrompts encode_prompts(const ModelText& model, const Generation& generation) {
    if (!generation.suffix.empty()) return encode_gaps(model, generation);
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
        if (generation.echo) {
            const auto* ids = std::get_if<std::vector<int32_t>>(&generation.prompts[i]);
            if (truncated || ids)
                generation.prompts[i] = model.tokenizer.decode(truncated ? prompt : *ids, false);
        }
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
    auto& stops = generation.sampling.stop_token_ids;
    if (!generation.ignore_eos) stops.insert(stops.end(), ends.begin(), ends.end());
    if (!generation.ignore_eos && !generation.suffix.empty())
        if (const auto fim = fim_tokens(model.tokenizer))
            stops.insert(stops.end(), fim->ends.begin(), fim->ends.end());
    ban_words(model.tokenizer, generation);
    if (masks_everything(generation.sampling))
        return bad_request(
            "allowed_token_ids: none of them can begin the answer: min_tokens forbids those that "
            "end it, and bad_words those that are one; allow another id",
            "allowed_token_ids");
    return std::nullopt;
}

}  // namespace qwend
