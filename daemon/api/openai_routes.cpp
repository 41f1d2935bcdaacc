#include "daemon/api/openai_routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/openai.h"
#include "daemon/api/prompts.h"
#include "daemon/api/route_path.h"

namespace qwend {

namespace {

constexpr std::string_view kModelPath = "/v1/models/";

HttpResponse refuse(const ApiError& error) {
    return error_response(error, render_error);
}

void write_model(JsonWriter& w, const Model& model, const std::string& name) {
    w.begin_object().key("id").string(name).key("object").string("model");
    w.key("created").integer(model.text->created).key("owned_by").string("qwend");
    w.key("root").string(model.text->names[0]);
    w.key("max_model_len").integer(model.context_limit()).end_object();
}

void get_models(const ApiContext& api, const ExchangePtr& exchange) {
    JsonWriter w;
    w.begin_object().key("object").string("list").key("data").begin_array();
    for (const ModelPtr& model : api.models.models())
        for (const std::string& name : model->text->names) write_model(w, *model, name);
    w.end_array().end_object();
    exchange->respond(json_response(w.take()));
}

void get_model(const ApiContext& api, const ExchangePtr& exchange) {
    const std::string asked = canonical_path(exchange->request().path).substr(kModelPath.size());
    const std::string name = decode_percent(asked).value_or(asked);
    const ModelPtr model = name.empty() ? nullptr : api.models.find(name);
    if (!model) return exchange->respond(refuse(model_not_found(name)));
    JsonWriter w;
    write_model(w, *model, name);
    exchange->respond(json_response(w.take()));
}

RequestLimits limits_of(const ApiContext& api) {
    return {api.options.max_choices, api.models.first().text->tokenizer.size(), api.models.names(),
            api.options.allow_priority};
}

void post_chat(const ApiContext& api, const ExchangePtr& exchange) {
    api.completions.start(exchange, [&api](std::string_view body, CompletionRequest& request) {
        return parse_chat_request(body, api.models.first().text->defaults, limits_of(api), request);
    });
}

void post_completions(const ApiContext& api, const ExchangePtr& exchange) {
    api.completions.start(exchange, [&api](std::string_view body, CompletionRequest& request) {
        return parse_completion_request(body, api.models.first().text->defaults, limits_of(api),
                                        request);
    });
}

/// For the routes that need no engine: all of the answer is made where the body is read.
void answer_from_body(const ApiContext& api, const ExchangePtr& exchange,
                      std::function<HttpResponse(std::string_view)> respond) {
    api.bodies.read(exchange, [exchange, respond = std::move(respond)](std::string_view body) {
        auto response = std::make_shared<HttpResponse>(respond(body));
        return [exchange, response] { exchange->respond(std::move(*response)); };
    });
}

void post_tokenize(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, [&api](std::string_view body) {
        CompletionRequest request;
        if (auto error = parse_tokenize_request(body, limits_of(api), request))
            return refuse(*error);
        const ModelPtr model = api.models.find(request.model);
        const EncodedPrompts encoded = encode_prompts(*model->text, request);
        if (encoded.error) return refuse(*encoded.error);
        const auto& ids = encoded.prompts[0];
        return json_response(fmt::format(R"({{"tokens":[{}],"count":{},"max_model_len":{}}})",
                                         fmt::join(ids, ","), ids.size(), model->context_limit()));
    });
}

void post_detokenize(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, [&api](std::string_view body) {
        std::vector<int32_t> tokens;
        if (auto error = parse_detokenize_request(body, limits_of(api), tokens))
            return refuse(*error);
        const Tokenizer& tokenizer = api.models.first().text->tokenizer;
        JsonWriter w;
        w.begin_object().key("prompt").string(tokenizer.decode(tokens, false)).end_object();
        return json_response(w.take());
    });
}

void post_apply_template(const ApiContext& api, const ExchangePtr& exchange) {
    answer_from_body(api, exchange, [&api](std::string_view body) {
        CompletionRequest request;
        std::optional<ApiError> error = parse_tokenize_request(body, limits_of(api), request);
        if (!error && !request.chat) error = bad_request("messages: expected messages", "messages");
        if (error) return refuse(*error);
        const ModelPtr model = api.models.find(request.model);
        RenderResult rendered =
            render_chat(model->text->chat_template, request.messages, request.chat_options);
        if (!rendered.error.empty())
            return refuse(
                bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param));
        JsonWriter w;
        w.begin_object().key("prompt").string(rendered.prompt.text).end_object();
        return json_response(w.take());
    });
}

}  // namespace

std::vector<Route> openai_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    return {
        {"GET", "/v1/models", render_error, to(get_models)},
        {"GET", "/v1/models/*", render_error, to(get_model)},
        {"POST", "/v1/chat/completions", render_error, to(post_chat), kGenerates},
        {"POST", "/v1/completions", render_error, to(post_completions), kGenerates},
        {"POST", "/tokenize", render_error, to(post_tokenize)},
        {"POST", "/detokenize", render_error, to(post_detokenize)},
        {"POST", "/apply-template", render_error, to(post_apply_template)},
    };
}

}  // namespace qwend
