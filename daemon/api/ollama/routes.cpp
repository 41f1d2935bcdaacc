#include "daemon/api/ollama/routes.h"

#include <fmt/format.h>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/ollama/catalogue.h"
#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/renderer.h"
#include "daemon/api/ollama/request.h"

namespace qwend {

namespace {

HttpResponse refuse(const ApiError& error) {
    return error_response(error, render_ollama_error);
}

using ParseOllama = std::optional<ApiError> (*)(std::string_view, const TextOf&, OllamaRequest&);

/// A body as what is to be generated, and how it is to look.
std::optional<ApiError> parse_into(ParseOllama parse, std::string_view body,
                                   const ModelRegistry& models, double arrived,
                                   ParsedRequest& parsed) {
    OllamaRequest request;
    const auto text_of = [&](std::string_view name) {
        const ModelPtr model = models.find(name);
        return model ? model->text.get() : nullptr;
    };
    const auto error = parse(body, text_of, request);
    parsed.n_unknown_fields = request.n_unknown_fields;
    parsed.unknown_fields = std::move(request.unknown_fields);
    if (error) return error;
    OllamaStyle& style = request.style;
    parsed.model = models.find(style.model);
    if (style.model.empty()) style.model = tagged_name(parsed.model->text->names[0]);
    style.arrived = arrived;
    if (request.asks != OllamaRequest::Asks::generation) {
        parsed.answer = json_response(render_nothing_asked(request));
        return std::nullopt;
    }
    parsed.generation = std::move(request.generation);
    parsed.make_renderer = ollama_renderer(std::move(style));
    return std::nullopt;
}

void generate(const ApiContext& api, const ExchangePtr& exchange, ParseOllama parse) {
    api.completions.start(
        exchange, [parse, arrived = exchange->request().arrived](
                      std::string_view body, const ModelRegistry& models, ParsedRequest& parsed) {
            return parse_into(parse, body, models, arrived, parsed);
        });
}

void post_chat(const ApiContext& api, const ExchangePtr& exchange) {
    generate(api, exchange, parse_ollama_chat);
}

void post_generate(const ApiContext& api, const ExchangePtr& exchange) {
    generate(api, exchange, parse_ollama_generate);
}

void get_tags(const ApiContext& api, const ExchangePtr& exchange) {
    exchange->respond(json_response(render_tags(api.models)));
}

void get_running(const ApiContext& api, const ExchangePtr& exchange) {
    exchange->respond(json_response(render_running(api.models)));
}

void get_version(const ApiContext&, const ExchangePtr& exchange) {
    exchange->respond(json_response(fmt::format(R"({{"version":"{}"}})", kOllamaVersion)));
}

/// What is asked for a model rather than for text, by its name in the body.
using AnswerModel = HttpResponse (*)(const ModelRegistry&, const OllamaModelRequest&);

void answer_for_model(const ApiContext& api, const ExchangePtr& exchange, AnswerModel answer) {
    api.bodies.read(exchange, [exchange, answer, models = api.models](const std::string& body) {
        OllamaModelRequest request;
        const auto error = parse_ollama_model(body, request);
        auto response =
            std::make_shared<HttpResponse>(error ? refuse(*error) : answer(models, request));
        return [exchange, response] { exchange->respond(std::move(*response)); };
    });
}

HttpResponse show(const ModelRegistry& models, const OllamaModelRequest& request) {
    const ModelPtr model = models.find(request.model);
    if (!model) return refuse(ollama_model_not_found(request.model));
    return json_response(render_shown(*model, request.model));
}

/// What is served is there already; nothing else can be had.
HttpResponse pull(const ModelRegistry& models, const OllamaModelRequest& request) {
    if (!models.find(request.model)) {
        ApiError error = ollama_model_not_found(request.model);
        error.message += fmt::format(
            ": this is qwend, which serves \"{}\" and downloads nothing; to serve another model, "
            "start qwend with --model and the checkpoint's folder",
            models.first().text->names[0]);
        return refuse(error);
    }
    HttpResponse response = json_response(R"({"status":"success"})");
    if (request.stream) {
        response.headers = {{"Content-Type", "application/x-ndjson"}};
        response.body += '\n';
    }
    return response;
}

void post_show(const ApiContext& api, const ExchangePtr& exchange) {
    answer_for_model(api, exchange, show);
}

void post_pull(const ApiContext& api, const ExchangePtr& exchange) {
    answer_for_model(api, exchange, pull);
}

void not_offered(const ExchangePtr& exchange, std::string_view instead) {
    exchange->respond(
        refuse({501, "server_error", "", "",
                fmt::format("{} is not offered by qwend: {}", exchange->request().path, instead)}));
}

void keep_models(const ApiContext&, const ExchangePtr& exchange) {
    not_offered(exchange,
                "it serves the checkpoint it was started with and changes none; give it other "
                "names with --served-model-name, or start it with another --model");
}

void embed(const ApiContext&, const ExchangePtr& exchange) {
    not_offered(exchange, "it makes no embeddings yet");
}

}  // namespace

std::vector<Route> ollama_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    return {
        {"POST", "/api/chat", render_ollama_error, to(post_chat), kGenerates},
        {"POST", "/api/generate", render_ollama_error, to(post_generate), kGenerates},
        {"GET", "/api/tags", render_ollama_error, to(get_tags)},
        {"GET", "/api/ps", render_ollama_error, to(get_running)},
        {"GET", "/api/version", render_ollama_error, to(get_version)},
        {"POST", "/api/show", render_ollama_error, to(post_show)},
        {"POST", "/api/pull", render_ollama_error, to(post_pull)},
        {"POST", "/api/push", render_ollama_error, to(keep_models)},
        {"POST", "/api/create", render_ollama_error, to(keep_models)},
        {"POST", "/api/copy", render_ollama_error, to(keep_models)},
        {"DELETE", "/api/delete", render_ollama_error, to(keep_models)},
        {"POST", "/api/embed", render_ollama_error, to(embed)},
        {"POST", "/api/embeddings", render_ollama_error, to(embed)},
    };
}

}  // namespace qwend
