#include "daemon/api/api.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/api/access.h"
#include "daemon/api/body_queue.h"
#include "daemon/api/completions.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/metrics_text.h"
#include "daemon/api/openai.h"
#include "daemon/api/request_log.h"
#include "daemon/api/responses.h"
#include "daemon/api/route.h"
#include "daemon/api/route_path.h"
#include "daemon/api/status_page.h"
#include "daemon/log.h"
#include "daemon/version.h"
#include "net/clock.h"

namespace qwend {

namespace {

std::string error_type(int status) {
    if (status == 404) return "not_found_error";
    return status >= 500 ? "server_error" : "invalid_request_error";
}

constexpr std::string_view kModelPath = "/v1/models/";
constexpr const char* kMethods = "GET, HEAD, POST";  // of all routes

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
std::optional<ApiError> check_body_headers(const HttpRequest& request) {
    if (!is_json_type(request.header("content-type")))
        return ApiError{415, "invalid_request_error", "", "",
                        "expected Content-Type: application/json"};
    const std::string_view encoding = request.header("content-encoding");
    if (encoding.empty() || is_no_encoding(encoding)) return std::nullopt;
    return ApiError{415, "invalid_request_error", "", "",
                    fmt::format("Content-Encoding: {} is not supported; send the body without it",
                                excerpt(encoding))};
}

}  // namespace

struct Api::Impl {
    Impl(EventLoop& l, Engine& e, const EngineMetrics& em, LoopMetrics& m, const Options& o,
         const ServedModel& s, std::vector<std::string> keys)
        : engine(e),
          engine_metrics(em),
          metrics(m),
          options(o),
          model(s),
          began(steady_seconds()),
          bodies(l),
          completions(l, bodies, e, m, o, s, [this] { return unavailable(); }),
          table(routes()) {
        access.api_keys = std::move(keys);
        access.cors_origins = o.cors_origins;
        access.check_host = !o.insecure_no_auth;
    }

    std::vector<Route> routes();
    const Route* find_route(const HttpRequest& request) const;
    RenderError error_renderer(const HttpRequest& request) const;

    HttpVerdict on_headers(const HttpRequest& request) const;
    std::optional<ApiError> check(const Route& route, const HttpRequest& request) const;
    void on_answered(const HttpRequest& request, int status);
    std::optional<ApiError> unavailable() const;

    void get_livez(const ExchangePtr& exchange);
    void get_health(const ExchangePtr& exchange);
    void get_version(const ExchangePtr& exchange);
    void get_metrics(const ExchangePtr& exchange);
    void get_page(const ExchangePtr& exchange);
    void get_models(const ExchangePtr& exchange);
    void get_model(const ExchangePtr& exchange);
    void post_chat(const ExchangePtr& exchange);
    void post_completions(const ExchangePtr& exchange);
    void post_tokenize(const ExchangePtr& exchange);
    void post_detokenize(const ExchangePtr& exchange);
    void post_apply_template(const ExchangePtr& exchange);
    void answer_from_body(const ExchangePtr& exchange,
                          std::function<HttpResponse(std::string_view)> respond);
    void write_model(JsonWriter& w, const std::string& name) const;

    RequestLimits limits() const {
        return {options.max_choices, model.tokenizer.size(), model.names, options.allow_priority};
    }

    Engine& engine;
    const EngineMetrics& engine_metrics;
    LoopMetrics& metrics;
    const Options& options;
    const ServedModel& model;
    AccessRules access;
    const double began;
    bool draining = false;
    BodyQueue bodies;
    Completions completions;
    const RouteTable table;
};

std::vector<Route> Api::Impl::routes() {
    const auto to = [this](void (Impl::*handle)(const ExchangePtr&)) {
        return [this, handle](const ExchangePtr& exchange) { (this->*handle)(exchange); };
    };
    constexpr RenderError kError = render_error;
    return {
        {"GET", "/livez", kError, to(&Impl::get_livez), kOpen | kLight},
        {"GET", "/health", kError, to(&Impl::get_health), kOpen | kLight},
        {"GET", "/", kError, to(&Impl::get_page)},
        {"GET", "/version", kError, to(&Impl::get_version)},
        {"GET", "/metrics", kError, to(&Impl::get_metrics), kLight},
        {"GET", "/v1/models", kError, to(&Impl::get_models)},
        {"GET", "/v1/models/*", kError, to(&Impl::get_model)},
        {"POST", "/v1/chat/completions", kError, to(&Impl::post_chat), kGenerates},
        {"POST", "/v1/completions", kError, to(&Impl::post_completions), kGenerates},
        {"POST", "/tokenize", kError, to(&Impl::post_tokenize)},
        {"POST", "/detokenize", kError, to(&Impl::post_detokenize)},
        {"POST", "/apply-template", kError, to(&Impl::post_apply_template)},
    };
}

/// What is known from the headers on; before that a request may still say where it wanted to go.
const Route* Api::Impl::find_route(const HttpRequest& request) const {
    const Route* route = route_of(request);
    return route ? route : table.find(request).route;
}

RenderError Api::Impl::error_renderer(const HttpRequest& request) const {
    const Route* route = find_route(request);
    return route ? route->render_error : render_error;
}

std::optional<ApiError> Api::Impl::unavailable() const {
    const EngineState state = engine.state();
    if (state == EngineState::ready && !draining) return std::nullopt;
    const bool failed = state == EngineState::failed || state == EngineState::stalled;
    const std::string_view name = draining && !failed ? "draining" : engine_state_name(state);
    return ApiError{503, "unavailable_error", std::string(name), "",
                    fmt::format("the server is not ready: {}", name)};
}

/// What keeps a request from its route, as far as its headers say.
std::optional<ApiError> Api::Impl::check(const Route& route, const HttpRequest& request) const {
    std::optional<ApiError> error;
    if (!route.is(kOpen)) error = check_access(access, request);
    if (!error && request.method == "POST") error = check_body_headers(request);
    if (!error && route.is(kGenerates)) error = unavailable();
    return error;
}

HttpVerdict Api::Impl::on_headers(const HttpRequest& request) const {
    const RouteMatch match = table.find(request);
    HttpVerdict verdict{.answer = {},
                        .max_body = request.method == "POST" ? options.max_body : 0,
                        .light = match.light,
                        .route = match.route};
    // RFC 9110, 9.3.7: a ping of the server as a whole, which tells nothing of what it serves.
    if (request.target == "*") {
        verdict.answer = HttpResponse{204, {{"Allow", kMethods}}, {}};
        return verdict;
    }
    const auto refuse = [&](const ApiError& error) {
        verdict.answer =
            error_response(error, match.route ? match.route->render_error : render_error);
    };
    if (match.route) {
        if (auto error = check(*match.route, request)) refuse(*error);
    } else if (request.method == "OPTIONS" && match.path_exists && !access.cors_origins.empty()) {
        verdict.answer = preflight_response(request, match.allow);
    } else if (auto error = check_access(access, request)) {
        refuse(*error);
    } else if (!match.path_exists) {
        refuse({404, "not_found_error", "", "",
                fmt::format("no such route: {}", excerpt(request.path))});
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
    log_request(request, status, completions.take_summary(request), steady_seconds());
}

void Api::Impl::get_livez(const ExchangePtr& exchange) {
    exchange->respond(json_response(R"({"status":"alive"})"));
}

void Api::Impl::get_health(const ExchangePtr& exchange) {
    if (auto error = unavailable()) {
        HttpResponse response =
            json_response(fmt::format(R"({{"status":"{}"}})", error->code), 503);
        response.headers.emplace_back("Retry-After", "1");
        return exchange->respond(std::move(response));
    }
    exchange->respond(json_response(R"({"status":"ready"})"));
}

void Api::Impl::get_version(const ExchangePtr& exchange) {
    JsonWriter w;
    w.begin_object().key("version").string(qwend_version());
    w.key("backends").string(qwend_backends()).end_object();
    exchange->respond(json_response(w.take()));
}

void Api::Impl::get_metrics(const ExchangePtr& exchange) {
    const ModelMetrics served{model.names[0], engine_metrics};
    exchange->respond({200,
                       {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                       render_metrics(metrics, std::span(&served, 1))});
}

void Api::Impl::get_page(const ExchangePtr& exchange) {
    const auto info = engine.backend_info();
    const auto error = unavailable();
    const std::string state = error ? error->code : "ready";
    const std::string host = excerpt(exchange->request().header("host"));
    exchange->respond(
        {200,
         {{"Content-Type", "text/html; charset=utf-8"},
          {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"}},
         render_status_page({model, engine_metrics, state, info ? info->device : "", host,
                             steady_seconds() - began})});
}

void Api::Impl::write_model(JsonWriter& w, const std::string& name) const {
    w.begin_object().key("id").string(name).key("object").string("model");
    w.key("created").integer(model.created).key("owned_by").string("qwend");
    w.key("root")
        .string(model.names[0])
        .key("max_model_len")
        .integer(completions.context_limit())
        .end_object();
}

void Api::Impl::get_models(const ExchangePtr& exchange) {
    JsonWriter w;
    w.begin_object().key("object").string("list").key("data").begin_array();
    for (const std::string& name : model.names) write_model(w, name);
    w.end_array().end_object();
    exchange->respond(json_response(w.take()));
}

void Api::Impl::get_model(const ExchangePtr& exchange) {
    const std::string asked = canonical_path(exchange->request().path).substr(kModelPath.size());
    const std::string name = decode_percent(asked).value_or(asked);
    if (std::find(model.names.begin(), model.names.end(), name) == model.names.end())
        return exchange->respond(error_response(model_not_found(name)));
    JsonWriter w;
    write_model(w, name);
    exchange->respond(json_response(w.take()));
}

void Api::Impl::post_chat(const ExchangePtr& exchange) {
    completions.start(exchange, [this](std::string_view body, CompletionRequest& request) {
        return parse_chat_request(body, model.defaults, limits(), request);
    });
}

void Api::Impl::post_completions(const ExchangePtr& exchange) {
    completions.start(exchange, [this](std::string_view body, CompletionRequest& request) {
        return parse_completion_request(body, model.defaults, limits(), request);
    });
}

/// For the routes that need no engine: all of the answer is made where the body is read.
void Api::Impl::answer_from_body(const ExchangePtr& exchange,
                                 std::function<HttpResponse(std::string_view)> respond) {
    bodies.read(exchange, [exchange, respond = std::move(respond)](std::string_view body) {
        auto response = std::make_shared<HttpResponse>(respond(body));
        return [exchange, response] { exchange->respond(std::move(*response)); };
    });
}

void Api::Impl::post_tokenize(const ExchangePtr& exchange) {
    answer_from_body(exchange, [this, limit = completions.context_limit()](std::string_view body) {
        CompletionRequest request;
        EncodedPrompts encoded;
        if (auto error = parse_tokenize_request(body, limits(), request))
            return error_response(*error);
        encoded = completions.encode(request);
        if (encoded.error) return error_response(*encoded.error);
        const auto& ids = encoded.prompts[0];
        return json_response(fmt::format(R"({{"tokens":[{}],"count":{},"max_model_len":{}}})",
                                         fmt::join(ids, ","), ids.size(), limit));
    });
}

void Api::Impl::post_detokenize(const ExchangePtr& exchange) {
    answer_from_body(exchange, [this](std::string_view body) {
        std::vector<int32_t> tokens;
        if (auto error = parse_detokenize_request(body, limits(), tokens))
            return error_response(*error);
        JsonWriter w;
        w.begin_object().key("prompt").string(model.tokenizer.decode(tokens, false)).end_object();
        return json_response(w.take());
    });
}

void Api::Impl::post_apply_template(const ExchangePtr& exchange) {
    answer_from_body(exchange, [this](std::string_view body) {
        CompletionRequest request;
        std::optional<ApiError> error = parse_tokenize_request(body, limits(), request);
        if (!error && !request.chat) error = bad_request("messages: expected messages", "messages");
        if (error) return error_response(*error);
        RenderResult rendered =
            render_chat(model.chat_template, request.messages, request.chat_options);
        if (!rendered.error.empty())
            return error_response(
                bad_request(rendered.error_param + ": " + rendered.error, rendered.error_param));
        JsonWriter w;
        w.begin_object().key("prompt").string(rendered.prompt.text).end_object();
        return json_response(w.take());
    });
}

Api::Api(EventLoop& loop, Engine& engine, const EngineMetrics& engine_metrics, LoopMetrics& metrics,
         const Options& options, const ServedModel& model, std::vector<std::string> api_keys)
    : impl_(std::make_unique<Impl>(loop, engine, engine_metrics, metrics, options, model,
                                   std::move(api_keys))) {}

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
        HttpResponse response =
            error_response({status, error_type(status), "", "", std::string(message)},
                           impl->error_renderer(request));
        if (status == 405) response.headers.emplace_back("Allow", kMethods);
        return response;
    };
    handler.add_headers = [impl](const HttpRequest& request, Headers& headers) {
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
    impl_->draining = true;
}

void Api::on_engine_events() {
    impl_->completions.on_engine_events();
}

int Api::n_in_flight() const {
    return impl_->bodies.n_jobs() + impl_->completions.n_in_flight();
}

void Api::abort_all() {
    const ApiError error{503, "unavailable_error", "draining", "", "the server is shutting down"};
    impl_->bodies.fail_all(error);
    impl_->completions.fail_all(error);
}

}  // namespace qwend
