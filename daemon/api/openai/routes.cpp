#include "daemon/api/openai/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/openai/renderers.h"
#include "daemon/api/openai/request.h"
#include "daemon/api/openai/rules.h"
#include "daemon/api/prompts.h"

namespace qwend {

namespace {

HttpResponse refuse(const ApiError& error) {
    return error_response(error, render_openai_error);
}

using ParseOpenAi = std::optional<ApiError> (*)(std::string_view, const RulesOf&, OpenAiRequest&);

/// A body as what is to be generated, and how it is to look.
std::optional<ApiError> parse_into(ParseOpenAi parse, std::string_view body,
                                   const ModelRegistry& models, CommonLimits limits,
                                   const std::string& request_id, ParsedRequest& parsed) {
    OpenAiRequest request;
    const auto error = parse(body, rules_of(models, limits), request);
    parsed.n_unknown_fields = request.n_unknown_fields;
    parsed.unknown_fields = std::move(request.unknown_fields);
    if (error) return error;
    parsed.model = models.find(request.style.model);
    parsed.generation = std::move(request.generation);
    if (request.style.model.empty()) request.style.model = parsed.model->text->names[0];
    if (request.style.request_id.empty()) request.style.request_id = request_id;
    parsed.make_renderer = openai_renderer(std::move(request.style));
    return std::nullopt;
}

void complete(const ApiContext& api, const ExchangePtr& exchange, ParseOpenAi parse) {
    api.completions.start(
        exchange, [parse, limits = limits_of(api), id = exchange->request().request_id](
                      std::string_view body, const ModelRegistry& models, ParsedRequest& parsed) {
            return parse_into(parse, body, models, limits, id, parsed);
        });
}

void post_chat(const ApiContext& api, const ExchangePtr& exchange) {
    complete(api, exchange, parse_chat_request);
}

void post_completions(const ApiContext& api, const ExchangePtr& exchange) {
    complete(api, exchange, parse_completion_request);
}

/// For the routes that need no engine: all of the answer is made where the body is read.
using AnswerBodyOf = HttpResponse (*)(std::string body, const ModelRegistry& models,
                                      CommonLimits limits);

void answer_from_body(const ApiContext& api, const ExchangePtr& exchange, AnswerBodyOf answer) {
    api.bodies.read(exchange, [exchange, answer, models = api.models,
                               limits = limits_of(api)](std::string body) {
        auto response = std::make_shared<HttpResponse>(answer(std::move(body), models, limits));
        return [exchange, response] { exchange->respond(std::move(*response)); };
    });
}

HttpResponse tokenize(std::string body, const ModelRegistry& models, CommonLimits limits) {
    OpenAiRequest request;
    if (auto error = parse_tokenize_request(body, rules_of(models, limits), request))
        return refuse(*error);
    std::string().swap(body);
    const ModelPtr model = models.find(request.style.model);
    const EncodedPrompts encoded = encode_prompts(*model->text, request.generation);
    if (encoded.error) return refuse(*encoded.error);
    const auto& ids = encoded.prompts[0];
    return json_response(fmt::format(R"({{"tokens":[{}],"count":{},"max_model_len":{}}})",
                                     fmt::join(ids, ","), ids.size(), model->context_limit()));
}

HttpResponse detokenize(std::string body, const ModelRegistry& models, CommonLimits limits) {
    std::string name;
    std::vector<int32_t> tokens;
    if (auto error = parse_detokenize_request(body, rules_of(models, limits), name, tokens))
        return refuse(*error);
    std::string().swap(body);
    const Tokenizer& tokenizer = models.find(name)->text->tokenizer;
    JsonWriter w;
    w.begin_object().key("prompt").string(tokenizer.decode(tokens, false)).end_object();
    return json_response(w.take());
}

HttpResponse apply_template(std::string body, const ModelRegistry& models, CommonLimits limits) {
    OpenAiRequest request;
    const Generation& generation = request.generation;
    std::optional<ApiError> error = parse_tokenize_request(body, rules_of(models, limits), request);
    if (!error && generation.messages.empty())
        error = bad_request("messages: expected messages", "messages");
    if (error) return refuse(*error);
    std::string().swap(body);
    const ModelPtr model = models.find(request.style.model);
    RenderResult rendered =
        render_chat(model->text->chat_template, generation.messages, generation.chat_options);
    if (!rendered.error.empty())
        return refuse(
            bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param));
    JsonWriter w;
    w.begin_object().key("prompt").string(rendered.prompt.text).end_object();
    return json_response(w.take());
}

void post_tokenize(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, tokenize);
}

void post_detokenize(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, detokenize);
}

void post_apply_template(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, apply_template);
}

}  // namespace

std::vector<Route> openai_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto error = render_openai_error;
    return {
        {"POST",
         "/v1/chat/completions",
         error,
         to(post_chat),
         kGenerates,
         {"createChatCompletion",
          "Answer a conversation",
          "ChatCompletionRequest",
          "ChatCompletion",
          {"text/event-stream"}}},
        {"POST",
         "/v1/completions",
         error,
         to(post_completions),
         kGenerates,
         {"createCompletion",
          "Go on with a text",
          "CompletionRequest",
          "Completion",
          {"text/event-stream"}}},
        {"POST",
         "/tokenize",
         error,
         to(post_tokenize),
         0,
         {"tokenize", "A text or a conversation as tokens", "TokenizeRequest", "Tokens"}},
        {"POST",
         "/detokenize",
         error,
         to(post_detokenize),
         0,
         {"detokenize", "Tokens as text", "DetokenizeRequest", "Prompt"}},
        {"POST",
         "/apply-template",
         error,
         to(post_apply_template),
         0,
         {"applyTemplate", "A conversation as the model reads it", "ApplyTemplateRequest",
          "Prompt"}},
    };
}

}  // namespace qwend
