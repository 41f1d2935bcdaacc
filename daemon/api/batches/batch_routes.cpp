#include "daemon/api/batches/batch_routes.h"

#include <fmt/format.h>

#include <ctime>
#include <string>
#include <utility>

#include "daemon/api/batches/batch_request.h"
#include "daemon/api/batches/list_query.h"
#include "daemon/api/batches/record_id.h"
#include "daemon/api/http_answers.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/route_path.h"
#include "daemon/log.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using ServicePtr = std::shared_ptr<BatchService>;

constexpr std::string_view kPath = "/v1/batches/";
constexpr size_t kMaxPage = 100;
constexpr size_t kMaxBody = 64 << 10;  // bytes of what asks for a batch

void post_batch(const ServicePtr& service, const ExchangePtr& exchange) {
    BatchRecord batch;
    if (const auto error = read_batch_request(exchange->request().body, batch))
        return respond_error(*exchange, *error);
    const std::string& input = batch.input_file_id;
    const FileRecord* const file =
        is_record_id(kFilePrefix, input) ? service->files.find(input) : nullptr;
    if (!file)
        return respond_error(
            *exchange,
            bad_request(fmt::format("input_file_id: no file \"{}\" is kept here", excerpt(input)),
                        "input_file_id"));
    if (file->purpose != "batch")
        return respond_error(
            *exchange, bad_request("input_file_id: expected a file with the purpose \"batch\"",
                                   "input_file_id"));
    batch.id = make_record_id(kBatchPrefix);
    batch.output_journal = make_record_id(kFilePrefix);
    batch.error_journal = make_record_id(kFilePrefix);
    batch.created_at = std::time(nullptr);
    batch.expires_at += batch.created_at;
    service->batches.add(batch, [exchange, batch](const std::string& error) {
        if (error.empty()) return exchange->respond(json_response(render_batch(batch)));
        log_error("state-directory: {}", error);
        respond_error(*exchange,
                      {500, "server_error", "", "", "the disk failed; the server's log says how"});
    });
}

void list_batches(const ServicePtr& service, const ExchangePtr& exchange) {
    PageQuery page;
    if (const auto error = read_page(exchange->request().query, kMaxPage, page))
        return respond_error(*exchange, *error);
    exchange->respond(json_response(render_list(service->store.page(page), render_batch)));
}

/// The batch whose id this is; else it is answered that there is none.
BatchRecord* find_batch(BatchService& service, const ExchangePtr& exchange, std::string_view id) {
    BatchRecord* const batch = is_record_id(kBatchPrefix, id) ? service.store.find(id) : nullptr;
    if (!batch)
        respond_error(*exchange, {404, "not_found_error", "", "id",
                                  fmt::format("no batch \"{}\" is kept here", excerpt(id))});
    return batch;
}

/// What comes after the routes' path.
std::string rest_of(const ExchangePtr& exchange) {
    return canonical_path(exchange->request().path).substr(kPath.size());
}

void get_batch(const ServicePtr& service, const ExchangePtr& exchange) {
    if (const BatchRecord* const batch = find_batch(*service, exchange, rest_of(exchange)))
        exchange->respond(json_response(render_batch(*batch)));
}

void cancel_batch(const ServicePtr& service, const ExchangePtr& exchange) {
    constexpr std::string_view kCancel = "/cancel";
    std::string id = rest_of(exchange);
    if (!id.ends_with(kCancel))
        return respond_error(*exchange, no_such_route(exchange->request().path));
    id.resize(id.size() - kCancel.size());
    BatchRecord* const batch = find_batch(*service, exchange, id);
    if (!batch) return;
    if (const auto error = service->batches.cancel(*batch)) return respond_error(*exchange, *error);
    exchange->respond(json_response(render_batch(*batch)));
}

std::string batch_schema() {
    const std::string text = or_null(kStringSchema), time = or_null(kIntegerSchema);
    const std::string error = object_schema(
        {{"code", kStringSchema}, {"line", time}, {"message", kStringSchema}, {"param", text}});
    const std::string errors =
        or_null(object_schema({{"object", enum_schema({"list"})}, {"data", array_schema(error)}}));
    return object_schema({
        {"id", kStringSchema},
        {"object", enum_schema({"batch"})},
        {"endpoint", kStringSchema},
        {"errors", errors},
        {"input_file_id", kStringSchema},
        {"completion_window", kStringSchema},
        {"status", enum_schema({"validating", "in_progress", "finalizing", "completed", "failed",
                                "expired", "cancelling", "cancelled"})},
        {"output_file_id", text},
        {"error_file_id", text},
        {"created_at", kIntegerSchema},
        {"in_progress_at", time},
        {"expires_at", time},
        {"finalizing_at", time},
        {"completed_at", time},
        {"failed_at", time},
        {"expired_at", time},
        {"cancelling_at", time},
        {"cancelled_at", time},
        {"request_counts", object_schema({{"total", kIntegerSchema},
                                          {"completed", kIntegerSchema},
                                          {"failed", kIntegerSchema}})},
        {"metadata", or_null(kObjectSchema)},
    });
}

}  // namespace

std::vector<NamedSchema> batch_schemas() {
    return {
        {"BatchRequest", batch_request_schema()},
        {"Batch", batch_schema()},
        {"Batches", object_schema({
                        {"object", enum_schema({"list"})},
                        {"data", array_schema(schema_ref("Batch"))},
                        {"first_id", or_null(kStringSchema)},
                        {"last_id", or_null(kStringSchema)},
                        {"has_more", kBooleanSchema},
                    })},
    };
}

std::vector<Route> batch_routes(const std::shared_ptr<BatchService>& service,
                                std::string_view off) {
    const auto with = [&](void (*handle)(const ServicePtr&, const ExchangePtr&)) {
        return [service, handle](const ExchangePtr& exchange) { handle(service, exchange); };
    };
    std::vector<Route> routes = {
        {"POST",
         "/v1/batches",
         render_openai_error,
         with(post_batch),
         0,
         {"createBatch", "Have a file's requests answered, some time", "BatchRequest", "Batch"}},
        {"GET",
         "/v1/batches",
         render_openai_error,
         with(list_batches),
         0,
         {"listBatches", "What batches there are", "", "Batches"}},
        {"GET",
         "/v1/batches/*",
         render_openai_error,
         with(get_batch),
         0,
         {.name = "getBatch",
          .summary = "How far a batch is",
          .answer = "Batch",
          .path = "/v1/batches/{batch_id}"}},
        {"POST",
         "/v1/batches/*",
         render_openai_error,
         with(cancel_batch),
         kAnyType,
         {.name = "cancelBatch",
          .summary = "Make no more of a batch's requests",
          .answer = "Batch",
          .path = "/v1/batches/{batch_id}/cancel"}},
    };
    routes.front().max_body = kMaxBody;
    for (Route& route : routes) {
        route.off = off;
        if (!off.empty()) route.description = {};  // nobody need know of it
    }
    return routes;
}

}  // namespace qwend
