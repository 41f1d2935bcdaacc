#include "daemon/api/prompts.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <climits>

namespace qwend {

namespace {

uint64_t random_seed() {
    uint64_t seed = 0;
    (void)!getrandom(&seed, sizeof seed, 0);
    return seed;
}

}  // namespace

EncodedPrompts encode_prompts(const ModelText& model, const CompletionRequest& request) {
    EncodedPrompts encoded;
    if (!request.messages.empty()) {
        RenderResult rendered =
            render_chat(model.chat_template, request.messages, request.chat_options);
        if (!rendered.error.empty()) {
            encoded.error =
                bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param);
            return encoded;
        }
        encoded.prompts.push_back(
            model.tokenizer.encode(rendered.prompt.text, rendered.prompt.control_spans));
    }
    for (const Prompt& prompt : request.prompts) {
        if (auto* ids = std::get_if<std::vector<int32_t>>(&prompt))
            encoded.prompts.push_back(*ids);
        else
            encoded.prompts.push_back(
                model.tokenizer.encode_with_added_tokens(std::get<std::string>(prompt)));
    }
    return encoded;
}

std::optional<ApiError> fit_request(const ModelText& model, int context_limit,
                                    CompletionRequest& request,
                                    std::vector<std::vector<int32_t>>& prompts) {
    constexpr int kDefaultTextTokens = 16;  // OpenAI's
    const int wanted = request.max_tokens.value_or(request.chat ? 1 : kDefaultTextTokens);
    int most = request.truncate_prompt_tokens.value_or(INT_MAX);
    if (most == kToContext) most = std::max(context_limit - wanted, 1);
    size_t longest = 0;
    for (size_t i = 0; i < prompts.size(); i++) {
        std::vector<int32_t>& prompt = prompts[i];
        const bool truncated = prompt.size() > size_t(most);
        if (truncated) prompt.erase(prompt.begin(), prompt.end() - most);
        // The client's own text is echoed, as far as there is one: encoding normalises it.
        if (request.echo &&
            (truncated || std::holds_alternative<std::vector<int32_t>>(request.prompts[i])))
            request.prompts[i] = model.tokenizer.decode(prompt, false);
        if (prompt.empty())
            return bad_request("the prompt is empty", request.chat ? "messages" : "prompt");
        longest = std::max(longest, prompt.size());
    }
    if (longest + size_t(wanted) > size_t(context_limit))
        return bad_request(
            fmt::format("This model's maximum context length is {} tokens, but the prompt has {} "
                        "tokens and room for {} more was asked for; shorten one of the two",
                        context_limit, longest, wanted),
            request.chat ? "messages" : "prompt", "context_length_exceeded");
    if (!request.max_tokens)
        request.max_tokens = request.chat ? context_limit - int(longest) : kDefaultTextTokens;
    request.sampling.seed = request.seed.value_or(random_seed());
    request.sampling.stop_token_ids = request.stop_token_ids;
    const auto& ends = request.chat ? model.chat_eos_token_ids : model.eos_token_ids;
    if (!request.ignore_eos)
        request.sampling.stop_token_ids.insert(request.sampling.stop_token_ids.end(), ends.begin(),
                                               ends.end());
    if (masks_everything(request.sampling))
        return bad_request(
            "allowed_token_ids: all of them end the answer, which min_tokens forbids "
            "at its beginning; allow another id, or set min_tokens to 0",
            "allowed_token_ids");
    return std::nullopt;
}

}  // namespace qwend
