#include "daemon/api/status_routes.h"

#include <fmt/format.h>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/metrics_text.h"
#include "daemon/api/status_page.h"
#include "daemon/version.h"
#include "model/utf8.h"
#include "net/clock.h"

namespace qwend {

namespace {

void get_livez(const ApiContext&, const ExchangePtr& exchange) {
    exchange->respond(json_response(R"({"status":"alive"})"));
}

void get_health(const ApiContext& api, const ExchangePtr& exchange) {
    if (auto error = api.availability.why_not()) {
        HttpResponse response =
            json_response(fmt::format(R"({{"status":"{}"}})", error->code), 503);
        response.headers.emplace_back("Retry-After", "1");
        return exchange->respond(std::move(response));
    }
    exchange->respond(json_response(R"({"status":"ready"})"));
}

void get_version(const ApiContext&, const ExchangePtr& exchange) {
    JsonWriter w;
    w.begin_object().key("version").string(qwend_version());
    w.key("backends").string(qwend_backends()).end_object();
    exchange->respond(json_response(w.take()));
}

void get_metrics(const ApiContext& api, const ExchangePtr& exchange) {
    std::vector<ModelMetrics> served;
    for (const ModelPtr& model : api.models.models())
        served.push_back({model->text->names[0], model->metrics});
    exchange->respond({200,
                       {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                       render_metrics(api.metrics, served)});
}

/// Browsers name HTML among what they accept; programs accept anything, or JSON.
bool wants_page(const HttpRequest& request) {
    const std::string_view accept = request.header("accept");
    return accept.empty() || accept.find("text/html") != std::string_view::npos;
}

void get_page(const ApiContext& api, const ExchangePtr& exchange) {
    const Model& model = api.models.first();
    const auto info = model.engine.backend_info();
    const auto error = api.availability.why_not();
    const std::string state = error ? error->code : "ready";
    const std::string host = excerpt(exchange->request().header("host"));
    exchange->respond(
        {200,
         {{"Content-Type", "text/html; charset=utf-8"},
          {"Vary", "Accept"},
          {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"}},
         render_status_page({*model.text, model.metrics, state, info ? info->device : "", host,
                             steady_seconds() - api.began})});
}

}  // namespace

std::vector<Route> status_routes(const ApiContext& api, RenderError render_error,
                                 std::string_view greeting) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto get_root = [&api, greeting](const ExchangePtr& exchange) {
        if (wants_page(exchange->request())) return get_page(api, exchange);
        exchange->respond({200,
                           {{"Content-Type", "text/plain; charset=utf-8"}, {"Vary", "Accept"}},
                           std::string(greeting)});
    };
    return {
        {"GET",
         "/livez",
         render_error,
         to(get_livez),
         kOpen | kLight,
         {"getLivez", "Whether the process lives", "", "Status"}},
        {"GET",
         "/health",
         render_error,
         to(get_health),
         kOpen | kLight,
         {.name = "getHealth",
          .summary = "Whether it takes requests, or what it is at",
          .answer = "Status",
          .refusal = "Status"}},
        {"GET",
         "/",
         render_error,
         get_root,
         0,
         {"getPage", "A page for people, a word for clients", "", "", {"text/html", "text/plain"}}},
        {"GET",
         "/version",
         render_error,
         to(get_version),
         0,
         {"getVersion", "Which qwend this is", "", "Version"}},
        {"GET",
         "/metrics",
         render_error,
         to(get_metrics),
         kLight,
         {"getMetrics", "Counters for Prometheus", "", "", {"text/plain"}}},
    };
}

std::vector<NamedSchema> status_schemas() {
    return {
        {"Status", object_schema({{"status", kStringSchema}})},
        {"Version", object_schema({{"version", kStringSchema}, {"backends", kStringSchema}})},
    };
}

}  // namespace qwend
