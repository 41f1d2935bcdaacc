#include "daemon/api/responses/routes.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/openai/rules.h"
#include "daemon/api/responses/renderer.h"
#include "daemon/api/responses/request.h"
#include "daemon/api/responses/store.h"
#include "daemon/api/route_path.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using StorePtr = std::shared_ptr<ResponseStore>;
using TablePtr = std::shared_ptr<const ResponseTable>;

constexpr std::string_view kPath = "/v1/responses/";

/// A body as what is to be generated, and how it is to look.
std::optional<ApiError> parse_into(std::string_view body, const ModelRegistry& models,
                                   const RulesOf& rules, const StorePtr& store,
                                   const ResponseTable& table, ParsedRequest& parsed) {
    ResponseRequest request;
    request.style.can_store = store->keeps_any();
    const auto error = parse_response_request(body, rules, table, request);
    parsed.n_unknown_fields = request.base.n_unknown_fields;
    parsed.unknown_fields = std::move(request.base.unknown_fields);
    if (error) return error;
    parsed.model = models.find(request.style.model);
    parsed.generation = std::move(request.base.generation);
    if (request.style.model.empty()) request.style.model = parsed.model->text->names[0];
    parsed.make_renderer = response_renderer(std::move(request.style), store);
    return std::nullopt;
}

/// What a short body goes on from may be long: such a one is read beside the loop too.
void post_response(const ApiContext& api, const StorePtr& store, const ExchangePtr& exchange) {
    const std::string& body = exchange->request().body;
    const bool goes_on = body.size() > BodyQueueLimits().inline_bytes ||
                         body.find("previous_response_id") != std::string::npos;
    TablePtr table = goes_on ? store->table() : std::make_shared<const ResponseTable>();
    api.completions.start(
        exchange,
        [limits = limits_of(api), store, table = std::move(table)](
            std::string_view text, const ModelRegistry& models, ParsedRequest& parsed) {
            return parse_into(text, models, rules_of(models, limits), store, *table, parsed);
        },
        goes_on ? BodyPlace::beside_loop : BodyPlace::anywhere);
}

void refuse(const ExchangePtr& exchange, const ApiError& error) {
    exchange->respond(error_response(error, render_openai_error));
}

/// What comes after the routes' path.
std::string rest_of(const ExchangePtr& exchange) {
    return canonical_path(exchange->request().path).substr(kPath.size());
}

/// What there is of a response, its input for one, can't be had apart.
void refuse_unknown(const ExchangePtr& exchange, std::string_view id) {
    if (id.find('/') != id.npos) return refuse(exchange, no_such_route(exchange->request().path));
    refuse(exchange, {404, "not_found_error", "", "",
                      fmt::format("no response \"{}\" is kept here", excerpt(id))});
}

void get_response(const StorePtr& store, const ExchangePtr& exchange) {
    const std::string id = rest_of(exchange);
    const StoredResponsePtr response = store->find(id);
    if (!response) return refuse_unknown(exchange, id);
    if (exchange->request().query.find("stream=true") != std::string::npos)
        return refuse(exchange, bad_request("stream: a response that is complete comes as a whole",
                                            "stream", "unsupported_parameter"));
    exchange->respond(json_response(response->object()));
}

void delete_response(const StorePtr& store, const ExchangePtr& exchange) {
    const std::string id = rest_of(exchange);
    if (!store->erase(id)) return refuse_unknown(exchange, id);
    JsonWriter w;
    w.begin_object().key("id").string(id).key("object").string("response");
    w.key("deleted").boolean(true).end_object();
    exchange->respond(json_response(w.take()));
}

/// Only what runs in the background outlives its client, and nothing does here.
void cancel_response(const StorePtr& store, const ExchangePtr& exchange) {
    constexpr std::string_view kCancel = "/cancel";
    std::string id = rest_of(exchange);
    if (!id.ends_with(kCancel)) return refuse(exchange, no_such_route(exchange->request().path));
    id.resize(id.size() - kCancel.size());
    if (!store->find(id)) return refuse_unknown(exchange, id);
    refuse(exchange, bad_request("the response is complete; one that is not ends when its client "
                                 "closes the connection"));
}

}  // namespace

std::vector<Route> response_routes(const ApiContext& api) {
    const auto store = std::make_shared<ResponseStore>(api.options.responses_store_bytes);
    const auto with_store = [&](void (*handle)(const StorePtr&, const ExchangePtr&)) {
        return [store, handle](const ExchangePtr& exchange) { handle(store, exchange); };
    };
    const auto post = [&api, store](const ExchangePtr& exchange) {
        post_response(api, store, exchange);
    };
    constexpr std::string_view kOne = "/v1/responses/{response_id}",
                               kCancel = "/v1/responses/{response_id}/cancel";
    return {
        {"POST",
         "/v1/responses",
         render_openai_error,
         post,
         kGenerates,
         {"createResponse",
          "Answer a conversation",
          "ResponseRequest",
          "Response",
          {"text/event-stream"}}},
        {"GET",
         "/v1/responses/*",
         render_openai_error,
         with_store(get_response),
         0,
         {.name = "getResponse",
          .summary = "An answer that is kept",
          .answer = "Response",
          .path = kOne}},
        {"DELETE",
         "/v1/responses/*",
         render_openai_error,
         with_store(delete_response),
         0,
         {.name = "deleteResponse",
          .summary = "Forget an answer",
          .answer = "DeletedResponse",
          .path = kOne}},
        {"POST",
         "/v1/responses/*",
         render_openai_error,
         with_store(cancel_response),
         0,
         {.name = "cancelResponse",
          .summary = "Is refused: an answer that is kept is complete",
          .path = kCancel}},
    };
}

}  // namespace qwend
