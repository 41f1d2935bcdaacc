#include "daemon/api/status_routes.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/metrics_text.h"
#include "daemon/api/page.h"
#include "daemon/api/vector_inputs.h"
#include "daemon/version.h"
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

/// What a model is asked for first.
std::string_view task_of(const ModelText& text) {
    if (text.config.generates()) return text.chat_template.is_usable() ? "chat" : "completion";
    switch (vector_kind(text.config)) {
        case VectorKind::embedding:
            return "embedding";
        case VectorKind::classes:
            return "classification";
        case VectorKind::reward:
        case VectorKind::steps:
            break;
    }
    return "reward";
}

void write_model_status(JsonWriter& w, const ApiContext& api, const Model& model) {
    const EngineMetrics& m = model.metrics;
    const auto info = model.engine.backend_info();
    const auto error = api.availability.why_not(model);
    w.begin_object().key("id").string(model.text->names[0]);
    w.key("state").string(error ? error->code : "ready");
    w.key("task").string(task_of(*model.text));
    w.key("device").string(info ? info->device : "");
    w.key("max_model_len").integer(model.context_limit());
    w.key("running").integer(int64_t(m.num_requests_running.value()));
    w.key("waiting").integer(int64_t(m.num_requests_waiting.value()));
    w.key("kv_cache_usage").number(m.kv_cache_usage_perc.value());
    w.key("kv_blocks").integer(int64_t(m.kv_blocks_total.value()));
    w.key("generated_tokens").integer(int64_t(m.generation_tokens.value())).end_object();
}

/// What the page shows of the process.
void get_status(const ApiContext& api, const ExchangePtr& exchange) {
    const auto error = api.availability.why_not();
    JsonWriter w;
    w.begin_object().key("state").string(error ? error->code : "ready");
    w.key("version").string(qwend_version());
    w.key("uptime").number(steady_seconds() - api.began).key("models").begin_array();
    for (const ModelPtr& model : api.models.models()) write_model_status(w, api, *model);
    exchange->respond(json_response(w.end_array().end_object().take()));
}

}  // namespace

std::vector<Route> status_routes(const ApiContext& api, RenderError render_error,
                                 std::string_view greeting) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto get_root = [greeting](const ExchangePtr& exchange) {
        if (wants_page(exchange->request()))
            return exchange->respond(page_response(exchange->request()));
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
         kOpen,
         {"getPage", "A page for people, a word for clients", "", "", {"text/html", "text/plain"}}},
        {"GET",
         "/status",
         render_error,
         to(get_status),
         kLight,
         {"getStatus", "How it is, and what it is at", "", "ProcessStatus"}},
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
        {"ProcessStatus", object_schema({{"state", kStringSchema},
                                         {"version", kStringSchema},
                                         {"uptime", kNumberSchema},
                                         {"models", array_schema(schema_ref("ModelStatus"))}})},
        {"ModelStatus", object_schema({{"id", kStringSchema},
                                       {"state", kStringSchema},
                                       {"task", enum_schema({"chat", "completion", "embedding",
                                                             "classification", "reward"})},
                                       {"device", kStringSchema},
                                       {"max_model_len", kIntegerSchema},
                                       {"running", kIntegerSchema},
                                       {"waiting", kIntegerSchema},
                                       {"kv_cache_usage", kNumberSchema},
                                       {"kv_blocks", kIntegerSchema},
                                       {"generated_tokens", kIntegerSchema}})},
        {"Version", object_schema({{"version", kStringSchema}, {"backends", kStringSchema}})},
    };
}

}  // namespace qwend
