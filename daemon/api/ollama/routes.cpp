#include "daemon/api/ollama/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/ollama/catalogue.h"
#include "daemon/api/ollama/embed.h"
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

constexpr std::string_view kNotOffered = "Is not offered, and says what to do instead";

/// Of no use to ask again, which is what clients do after a 501.
void not_offered(const ExchangePtr& exchange, std::string_view instead) {
    exchange->respond(
        refuse({400, "invalid_request_error", "", "",
                fmt::format("{} is not offered by qwend: {}", exchange->request().path, instead)}));
}

void keep_models(const ApiContext&, const ExchangePtr& exchange) {
    not_offered(exchange,
                "it serves the checkpoint it was started with and changes none; give it other "
                "names with --served-model-name, or start it with another --model");
}

void post_embed(const ApiContext& api, const ExchangePtr& exchange) {
    api.vectors.start(
        exchange, [arrived = exchange->request().arrived](
                      std::string_view body, const ModelRegistry& models, ParsedVectors& parsed) {
            return parse_ollama_embed(body, models, arrived, parsed);
        });
}

void post_embeddings(const ApiContext& api, const ExchangePtr& exchange) {
    api.vectors.start(exchange, parse_ollama_embeddings);
}

/// What is served, and by what.
std::vector<Route> catalogue_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto error = render_ollama_error;
    return {
        {"GET",
         "/api/tags",
         error,
         to(get_tags),
         0,
         {"ollamaTags", "What is served", "", "OllamaModels"}},
        {"GET",
         "/api/ps",
         error,
         to(get_running),
         0,
         {"ollamaPs", "What runs", "", "OllamaModels"}},
        {"GET",
         "/api/version",
         error,
         to(get_version),
         0,
         {"ollamaVersion", "The version of Ollama that clients may expect", "", "OllamaVersion"}},
        {"POST",
         "/api/show",
         error,
         to(post_show),
         0,
         {"ollamaShow", "What a model is", "OllamaModelRequest", "OllamaModel"}},
        {"POST",
         "/api/pull",
         error,
         to(post_pull),
         0,
         {"ollamaPull",
          "Nothing is downloaded; what is served is there",
          "OllamaModelRequest",
          "OllamaStatus",
          {"application/x-ndjson"}}},
    };
}

/// What changes what this server does not.
std::vector<Route> refusing_routes(const ApiContext& api) {
    const auto error = render_ollama_error;
    const auto stay = bind_route(api, keep_models);
    return {
        {"POST", "/api/push", error, stay, 0, {"ollamaPush", kNotOffered, "", ""}},
        {"POST", "/api/create", error, stay, 0, {"ollamaCreate", kNotOffered, "", ""}},
        {"POST", "/api/copy", error, stay, 0, {"ollamaCopy", kNotOffered, "", ""}},
        {"DELETE", "/api/delete", error, stay, 0, {"ollamaDelete", kNotOffered, "", ""}},
    };
}

}  // namespace

std::vector<Route> ollama_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto error = render_ollama_error;
    std::vector<Route> routes = {
        {"POST",
         "/api/chat",
         error,
         to(post_chat),
         kGenerates,
         {"ollamaChat",
          "Answer a conversation",
          "OllamaChatRequest",
          "OllamaChat",
          {"application/x-ndjson"}}},
        {"POST",
         "/api/generate",
         error,
         to(post_generate),
         kGenerates,
         {"ollamaGenerate",
          "Go on with a text",
          "OllamaGenerateRequest",
          "OllamaGenerated",
          {"application/x-ndjson"}}},
        {"POST",
         "/api/embed",
         error,
         to(post_embed),
         kGenerates,
         {"ollamaEmbed", "Texts as vectors", "OllamaEmbedRequest", "OllamaEmbed"}},
        {"POST",
         "/api/embeddings",
         error,
         to(post_embeddings),
         kGenerates,
         {"ollamaEmbeddings", "A text as a vector", "OllamaEmbeddingsRequest", "OllamaEmbedding"}},
    };
    std::ranges::move(catalogue_routes(api), std::back_inserter(routes));
    std::ranges::move(refusing_routes(api), std::back_inserter(routes));
    // Ollama looks at no Content-Type, and a fetch of a string, for one, says text/plain.
    for (Route& route : routes) route.traits |= kAnyType;
    return routes;
}

}  // namespace qwend
