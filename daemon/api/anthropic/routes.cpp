#include "daemon/api/anthropic/routes.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "daemon/api/anthropic/error.h"
#include "daemon/api/anthropic/renderer.h"
#include "daemon/api/anthropic/request.h"
#include "daemon/api/http_answers.h"
#include "daemon/api/prompts.h"

namespace qwend {

namespace {

DefaultsOf defaults_of(const ModelRegistry& models) {
    return [&models](std::string_view name) -> const GenerationDefaults* {
        const ModelPtr model = models.find(name);
        return model ? &model->text->defaults : nullptr;
    };
}

/// A body as what is to be generated, and how it is to look.
std::optional<ApiError> parse_into(std::string_view body, const ModelRegistry& models,
                                   const std::string& request_id, ParsedRequest& parsed) {
    AnthropicRequest request;
    const auto error = parse_messages_request(body, defaults_of(models), request);
    parsed.n_unknown_fields = request.n_unknown_fields;
    parsed.unknown_fields = std::move(request.unknown_fields);
    if (error) return error;
    parsed.model = models.find(request.style.model);
    parsed.generation = std::move(request.generation);
    if (request.style.model.empty()) request.style.model = parsed.model->text->names[0];
    request.style.request_id = request_id;
    parsed.make_renderer = anthropic_renderer(std::move(request.style));
    return std::nullopt;
}

void post_messages(const ApiContext& api, const ExchangePtr& exchange) {
    api.completions.start(
        exchange, [id = exchange->request().request_id](
                      std::string_view body, const ModelRegistry& models, ParsedRequest& parsed) {
            return parse_into(body, models, id, parsed);
        });
}

/// Tokens of the prompt that a body comes to, tools and all.
std::optional<ApiError> count_tokens(std::string body, const ModelRegistry& models, size_t& n) {
    AnthropicRequest request;
    if (auto error = parse_count_request(body, defaults_of(models), request)) return error;
    std::string().swap(body);
    const ModelPtr model = models.find(request.style.model);
    const EncodedPrompts encoded = encode_prompts(*model->text, request.generation);
    if (!encoded.error) n = encoded.prompts[0].size();
    return encoded.error;
}

void post_count_tokens(const ApiContext& api, const ExchangePtr& exchange) {
    api.bodies.read(exchange, [exchange, models = api.models](std::string body) {
        size_t n = 0;
        const auto error = count_tokens(std::move(body), models, n);
        return [exchange, error, n] {
            if (error) return respond_error(*exchange, *error);
            exchange->respond(json_response(fmt::format("{{\"input_tokens\":{}}}", n)));
        };
    });
}

}  // namespace

std::vector<Route> anthropic_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    return {
        {"POST",
         "/v1/messages",
         render_anthropic_error,
         to(post_messages),
         kGenerates | kNamesRequest,
         {"createMessage",
          "Answer a conversation",
          "MessagesRequest",
          "Message",
          {"text/event-stream"}}},
        {"POST",
         "/v1/messages/count_tokens",
         render_anthropic_error,
         to(post_count_tokens),
         kNamesRequest,
         {"countTokens", "How long a conversation is", "CountTokensRequest", "TokenCount"}},
    };
}

}  // namespace qwend
