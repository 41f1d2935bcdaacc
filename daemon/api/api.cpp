#include "daemon/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "daemon/api/access.h"
#include "daemon/api/anthropic/error.h"
#include "daemon/api/anthropic/routes.h"
#include "daemon/api/anthropic/schemas.h"
#include "daemon/api/api_context.h"
#include "daemon/api/batches/batch_routes.h"
#include "daemon/api/batches/file_routes.h"
#include "daemon/api/batches/service.h"
#include "daemon/api/http_answers.h"
#include "daemon/api/inner_requests.h"
#include "daemon/api/live_answers.h"
#include "daemon/api/model_routes.h"
#include "daemon/api/ollama/embed.h"
#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/routes.h"
#include "daemon/api/ollama/schemas.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/openai/routes.h"
#include "daemon/api/openai/schemas.h"
#include "daemon/api/openapi.h"
#include "daemon/api/request_log.h"
#include "daemon/api/responses/routes.h"
#include "daemon/api/responses/schemas.h"
#include "daemon/api/route.h"
#include "daemon/api/route_path.h"
#include "daemon/api/status_routes.h"
#include "daemon/api/vectors/routes.h"
#include "daemon/api/vectors/schemas.h"
#include "daemon/log.h"
#include "model/utf8.h"
#include "net/clock.h"

namespace qwend {

namespace {

std::string error_type(int status) {
    if (status == 404) return "not_found_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

constexpr const char* kMethods = "GET, HEAD, POST, DELETE";  // of all routes

/// A browser asks whether a page may ask. What it may read of the answer is said with the answer.
HttpResponse preflight_response(const HttpRequest& request, const std::string& methods) {
    constexpr const char* kMaxAge = "600";  // s; a browser asks again after that
    HttpResponse response{204,
                          {{"Access-Control-Allow-Methods", methods},
                           {"Access-Control-Allow-Headers", allowed_headers(request)},
                           {"Access-Control-Max-Age", kMaxAge}},
                          {}};
    if (request.header("access-control-request-private-network") == "true")
        response.headers.emplace_back("Access-Control-Allow-Private-Network", "true");
    return response;
}

/// An error if the body cannot be JSON as it is, whatever is in it.
std::optional<ApiError> check_body_headers(const Route& route, const HttpRequest& request) {
    if (!route.is(kAnyType) && !is_json_type(request.header("content-type")))
        return ApiError{415, "invalid_request_error", "", "",
                        "expected Content-Type: application/json"};
    const std::string_view encoding = request.header("content-encoding");
    if (encoding.empty() || is_no_encoding(encoding)) return std::nullopt;
    return ApiError{415, "invalid_request_error", "", "",
                    fmt::format("Content-Encoding: {} is not supported; send the body without it",
                                excerpt(encoding))};
}

/// Here the dialects are named, and the one that says what is nobody's.
constexpr RenderError kRenderError = render_openai_error;

const std::vector<DialectDescription> kDialects = {
    {render_openai_error, "OpenAI", "Error"},
    {render_anthropic_error, "Anthropic", "AnthropicError"},
    {render_ollama_error, "Ollama", "OllamaError"},
};

std::vector<NamedSchema> all_schemas() {
    std::vector<NamedSchema> all;
    for (const auto& schemas :
         {status_schemas, model_schemas, openai_schemas, response_schemas, anthropic_schemas,
          ollama_schemas, ollama_embed_schemas, vector_schemas, file_schemas, batch_schemas})
        std::ranges::move(schemas(), std::back_inserter(all));
    return all;
}

std::vector<Route> all_routes(const ApiContext& api, const StateService* state) {
    std::vector<Route> routes = status_routes(api, kRenderError, kOllamaGreeting);
    std::ranges::move(model_routes(api, kRenderError), std::back_inserter(routes));
    std::ranges::move(openai_routes(api), std::back_inserter(routes));
    std::ranges::move(response_routes(api), std::back_inserter(routes));
    std::ranges::move(anthropic_routes(api), std::back_inserter(routes));
    std::ranges::move(ollama_routes(api), std::back_inserter(routes));
    std::ranges::move(vector_routes(api), std::back_inserter(routes));
    std::ranges::move(state_routes(state), std::back_inserter(routes));
    return routes;
}

}  // namespace

struct Api::Impl {
    Impl(EventLoop& l, const ModelRegistry& m, LoopMetrics& lm, const Options& o,
         std::vector<std::string> keys)
        : options(o),
          metrics(lm),
          availability(m),
          bodies(l),
          completions(l, bodies, m, availability, live, lm, o),
          vectors(l, bodies, m, availability, live, lm),
          inner(table, availability,
                [this](const HttpRequest& request, int status) {
                    on_inner_answered(request, status);
                }),
          state(o.state_directory.empty() ? nullptr
                                          : std::make_unique<StateService>(
                                                l, o, inner, BatchConditions{live, bodies, m}, lm)),
          context{o, m, availability, lm, bodies, completions, vectors, steady_seconds()},
          table(with_description(all_routes(context, state.get()))) {
        access.api_keys = std::move(keys);
        access.cors_origins = o.cors_origins;
        access.check_host = !o.insecure_no_auth;
    }

    std::vector<Route> with_description(std::vector<Route> routes);
    const Route* find_route(const HttpRequest& request) const;
    RenderError error_renderer(const HttpRequest& request) const;
    HttpVerdict on_headers(const HttpRequest& request) const;
    size_t max_body_of(const Route* route, const HttpRequest& request) const;
    std::optional<ApiError> check(const Route& route, const HttpRequest& request) const;
    void on_answered(const HttpRequest& request, int status);
    void on_inner_answered(const HttpRequest& request, int status);

    const Options& options;
    LoopMetrics& metrics;
    AccessRules access;
    Availability availability;
    BodyQueue bodies;
    LiveAnswers live;
    Completions completions;
    Vectors vectors;
    const InnerRequests inner;
    const std::unique_ptr<StateService> state;
    const ApiContext context;
    const RouteTable table;
};

/// Adds the route that describes all of them.
std::vector<Route> Api::Impl::with_description(std::vector<Route> routes) {
    routes.push_back({"GET", "/openapi.json", kRenderError, [this](const ExchangePtr& exchange) {
                          exchange->respond(json_response(render_openapi(
                              table.routes(), kDialects, all_schemas(), !access.api_keys.empty())));
                      }});
    return routes;
}

/// What is known from the headers on; before that a request may still say where it wanted to go.
const Route* Api::Impl::find_route(const HttpRequest& request) const {
    const Route* route = route_of(request);
    return route ? route : table.find(request).route;
}

RenderError Api::Impl::error_renderer(const HttpRequest& request) const {
    if (const Route* route = route_of(request)) return route->render_error;
    const RenderError of_path = table.find(request).render_error;
    return of_path ? of_path : kRenderError;
}

/// What keeps a request from its route, as far as its headers say.
std::optional<ApiError> Api::Impl::check(const Route& route, const HttpRequest& request) const {
    std::optional<ApiError> error;
    if (!route.is(kOpen)) error = check_access(access, request);
    if (!error && !route.off.empty())
        error = ApiError{404, "not_found_error", "not_offered", "", std::string(route.off)};
    if (!error && request.method == "POST") error = check_body_headers(route, request);
    if (!error && route.is(kGenerates)) error = availability.why_not();
    return error;
}

size_t Api::Impl::max_body_of(const Route* route, const HttpRequest& request) const {
    if (request.method != "POST") return 0;
    return route && route->max_body > 0 ? route->max_body : options.max_body;
}

HttpVerdict Api::Impl::on_headers(const HttpRequest& request) const {
    const RouteMatch match = table.find(request);
    HttpVerdict verdict{.answer = {},
                        .max_body = max_body_of(match.route, request),
                        .light = match.light,
                        .route = match.route};
    // RFC 9110, 9.3.7: a ping of the server as a whole, which tells nothing of what it serves.
    if (request.target == "*") {
        verdict.answer = HttpResponse{204, {{"Allow", kMethods}}, {}};
        return verdict;
    }
    const auto refuse = [&](ApiError error) {
        error.request_id = request.request_id;
        verdict.answer = error_response(error, error_renderer(request));
    };
    if (match.route) {
        if (auto error = check(*match.route, request)) refuse(*error);
    } else if (request.method == "OPTIONS" && match.path_exists && !access.cors_origins.empty()) {
        verdict.answer = preflight_response(request, match.allow);
    } else if (auto error = check_access(access, request)) {
        refuse(*error);
    } else if (!match.path_exists) {
        refuse(no_such_route(request.path));
    } else {
        refuse({405, "invalid_request_error", "", "",
                fmt::format("{} is not offered on {}", excerpt(request.method),
                            excerpt(request.path))});
        verdict.answer->headers.emplace_back("Allow", match.allow);
    }
    return verdict;
}

void Api::Impl::on_answered(const HttpRequest& request, int status) {
    const Route* route = find_route(request);
    // Unknown paths and methods would let a client make up label values.
    metrics.count_http(route ? route->path : "other", route ? route->method : "other", status);
    const std::string summary = completions.take_summary(request) + vectors.take_summary(request);
    log_request(request, status, summary, steady_seconds());
}

/// A batch may have many thousands of these.
void Api::Impl::on_inner_answered(const HttpRequest& request, int status) {
    const std::string summary = completions.take_summary(request) + vectors.take_summary(request);
    if (log_enabled(LogLevel::debug))
        log_line(LogLevel::debug, request_line(request, status, summary, steady_seconds()));
}

Api::Api(EventLoop& loop, const ModelRegistry& models, LoopMetrics& metrics, const Options& options,
         std::vector<std::string> api_keys)
    : impl_(std::make_unique<Impl>(loop, models, metrics, options, std::move(api_keys))) {}

Api::~Api() = default;

HttpHandler Api::handler() {
    Impl* const impl = impl_.get();
    HttpHandler handler;
    handler.on_headers = [impl](const HttpRequest& request) { return impl->on_headers(request); };
    handler.on_request = [](const ExchangePtr& exchange) {
        route_of(exchange->request())->handle(exchange);
    };
    handler.render_error = [impl](const HttpRequest& request, int status,
                                  std::string_view message) {
        HttpResponse response = error_response(
            {status, error_type(status), "", "", std::string(message), request.request_id},
            impl->error_renderer(request));
        if (status == 405) response.headers.emplace_back("Allow", kMethods);
        return response;
    };
    handler.add_headers = [impl](const HttpRequest& request, Headers& headers) {
        const Route* route = impl->find_route(request);
        if (route && route->is(kNamesRequest))
            headers.emplace_back("Request-Id", request.request_id);
        std::string origin = allowed_origin(impl->access, request);
        if (origin.empty()) return;
        headers.emplace_back("Access-Control-Allow-Origin", std::move(origin));
        headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
        headers.emplace_back("Vary", "Origin");
    };
    handler.on_answered = [impl](const HttpRequest& request, int status) {
        impl->on_answered(request, status);
    };
    handler.report = [](std::string_view what) { log_error("{}", what); };
    return handler;
}

void Api::set_api_keys(std::vector<std::string> keys) {
    impl_->access.api_keys = std::move(keys);
}

void Api::start_draining() {
    impl_->availability.start_draining();
    if (impl_->state) impl_->state->drain();
}

void Api::on_engine_events() {
    for (const ModelPtr& model : impl_->context.models.models())
        for (const TokenEvent& event : model->engine.take_events())
            if (Vectors::owns(event.id))
                impl_->vectors.on_event(event);
            else
                impl_->completions.on_event(*model, event);
    impl_->completions.flush_touched();
    impl_->vectors.flush_touched();
}

int Api::n_in_flight() const {
    return impl_->bodies.n_jobs() + impl_->completions.n_in_flight() +
           impl_->vectors.n_in_flight() + (impl_->state ? impl_->state->n_jobs() : 0);
}

void Api::abort_all() {
    const ApiError error{503, "unavailable_error", "draining", "", "the server is shutting down"};
    impl_->bodies.fail_all(error);
    impl_->completions.fail_all(error);
    impl_->vectors.fail_all(error);
}

}  // namespace qwend
