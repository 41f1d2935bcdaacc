#include "daemon/api/batches/file_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <string>
#include <utility>

#include "daemon/api/batches/disk_file.h"
#include "daemon/api/batches/list_query.h"
#include "daemon/api/batches/query.h"
#include "daemon/api/batches/record_id.h"
#include "daemon/api/batches/upload.h"
#include "daemon/api/http_answers.h"
#include "daemon/api/openai/error.h"
#include "daemon/api/route_path.h"
#include "daemon/log.h"
#include "model/utf8.h"

namespace qwend {

namespace {

using ServicePtr = std::shared_ptr<FileService>;

constexpr std::string_view kPath = "/v1/files/";
constexpr size_t kPieceBytes = 128 << 10;  // of a download
constexpr size_t kMaxPage = 10'000;        // that a client may ask for
constexpr size_t kMostListed = 1'000;      // that it gets; there is more then
constexpr size_t kUploadsAtOnce = 2;       // of the largest size, in memory

/// A form that is being taken in, beside the loop.
struct Arrival {
    std::string content_type, body;
    uint64_t max_bytes;
    FileRecord file;
    std::optional<ApiError> error;
};

void take_in(const StateFolder& folder, Arrival& arrival) {
    Upload upload;
    arrival.error = read_upload(arrival.content_type, arrival.body, arrival.max_bytes, upload);
    if (arrival.error) return;
    FileRecord& file = arrival.file;
    file.filename = std::move(upload.filename);
    file.purpose = std::move(upload.purpose);
    file.bytes = upload.content.size();
    if (upload.lifetime > 0) file.expires_at = file.created_at + upload.lifetime;
    DiskFile data = DiskFile::create(folder.file_data(file.id));
    data.write(0, upload.content);
    data.sync();
    replace_file(folder.file_record(file.id), render_file(file));
}

ApiError disk_fault(const std::string& error) {
    log_error("state-directory: {}", error);
    return {500, "server_error", "", "", "the disk failed; the server's log says how"};
}

void finish_upload(FileService& service, const ExchangePtr& exchange, const Arrival& arrival,
                   size_t n_bytes, const std::string& error) {
    service.n_uploading -= n_bytes;
    service.files.count(-int64_t(n_bytes));
    if (!error.empty()) return respond_error(*exchange, disk_fault(error));
    if (arrival.error) return respond_error(*exchange, *arrival.error);
    service.files.count(int64_t(arrival.file.bytes));
    service.files.add(arrival.file);
    exchange->respond(json_response(render_file(arrival.file)));
}

void post_file(const ServicePtr& service, const ExchangePtr& exchange) {
    const size_t n_bytes = exchange->request().body.size();
    if (const auto error = service->files.refusal(n_bytes)) return respond_error(*exchange, *error);
    if (service->n_uploading > 0 &&
        service->n_uploading + n_bytes > kUploadsAtOnce * max_upload(service->options))
        return respond_error(*exchange, {429, "rate_limit_error", "", "",
                                         "too many files are being uploaded; try again"});
    service->n_uploading += n_bytes;
    service->files.count(int64_t(n_bytes));
    auto arrival = std::make_shared<Arrival>();
    arrival->content_type = exchange->request().header("content-type");
    arrival->body = exchange->take_body();
    arrival->max_bytes = service->options.max_file;
    arrival->file.id = make_record_id(kFilePrefix);
    arrival->file.created_at = std::time(nullptr);
    service->disk.run([service, arrival] { take_in(service->folder, *arrival); },
                      [service, exchange, arrival, n_bytes](const std::string& error) {
                          std::string().swap(arrival->body);
                          finish_upload(*service, exchange, *arrival, n_bytes, error);
                      });
}

void list_files(const ServicePtr& service, const ExchangePtr& exchange) {
    const std::string& query = exchange->request().query;
    PageQuery page;
    page.limit = kMostListed;
    if (const auto error = read_page(query, kMaxPage, page))
        return respond_error(*exchange, *error);
    page.limit = std::min(page.limit, kMostListed);
    const auto purpose = query_value(query, "purpose");
    exchange->respond(
        json_response(render_list(service->files.page(page, purpose.value_or("")), render_file)));
}

/// What comes after the routes' path.
std::string rest_of(const ExchangePtr& exchange) {
    return canonical_path(exchange->request().path).substr(kPath.size());
}

/// The file that is asked for; else it is answered that there is none.
const FileRecord* find_file(FileService& service, const ExchangePtr& exchange,
                            std::string_view id) {
    const FileRecord* const file = is_record_id(kFilePrefix, id) ? service.files.find(id) : nullptr;
    if (!file)
        respond_error(*exchange, {404, "not_found_error", "", "id",
                                  fmt::format("no file \"{}\" is kept here", excerpt(id))});
    return file;
}

/// A file on its way to a client, piece by piece, at the client's pace.
struct Download {
    ServicePtr service;
    ExchangePtr exchange;
    DiskFile data;
    uint64_t offset = 0;
    std::string piece;
    bool reading = false;
};

/// The exchange refers to the download by what it is to call, and the download to the exchange.
void end_download(Download& download, bool is_whole) {
    download.exchange->on_drained({});
    download.exchange->on_client_gone({});
    is_whole ? download.exchange->finish() : download.exchange->abort();
}

void send_on(const std::shared_ptr<Download>& download) {
    if (download->reading || download->exchange->client_gone() || download->exchange->congested())
        return;
    download->reading = true;
    download->service->disk.run(
        [download] { download->piece = download->data.read(download->offset, kPieceBytes); },
        [download](const std::string& error) {
            download->reading = false;
            if (!error.empty()) log_error("state-directory: {}", error);
            if (!error.empty() || download->piece.empty())
                return end_download(*download, error.empty());
            download->offset += download->piece.size();
            download->exchange->write(download->piece);
            send_on(download);
        });
}

void start_download(const ServicePtr& service, const ExchangePtr& exchange, DiskFile data) {
    const auto download =
        std::make_shared<Download>(Download{service, exchange, std::move(data), 0, {}, false});
    exchange->start_stream(200, {{"Content-Type", "application/octet-stream"}});
    if (exchange->request().head) return exchange->finish();
    exchange->on_drained([download] { send_on(download); });
    exchange->on_client_gone([download] { download->exchange->on_drained({}); });
    send_on(download);
}

void get_content(const ServicePtr& service, const ExchangePtr& exchange, const std::string& id) {
    const FileRecord* const file = find_file(*service, exchange, id);
    if (!file) return;
    const auto opened = std::make_shared<std::optional<DiskFile>>();
    service->disk.run([path = service->folder.file_data(file->id),
                       opened] { opened->emplace(DiskFile::open(path)); },
                      [service, exchange, opened](const std::string& error) {
                          if (!error.empty()) return respond_error(*exchange, disk_fault(error));
                          start_download(service, exchange, std::move(**opened));
                      });
}

void get_file(const ServicePtr& service, const ExchangePtr& exchange) {
    constexpr std::string_view kContent = "/content";
    std::string id = rest_of(exchange);
    if (id.ends_with(kContent))
        return get_content(service, exchange, id.substr(0, id.size() - kContent.size()));
    if (const FileRecord* const file = find_file(*service, exchange, id))
        exchange->respond(json_response(render_file(*file)));
}

void delete_file(const ServicePtr& service, const ExchangePtr& exchange) {
    const FileRecord* const file = find_file(*service, exchange, rest_of(exchange));
    if (!file) return;
    const std::string id = file->id;
    if (!service->files.erase(id))
        return respond_error(*exchange,
                             bad_request("a batch that is not done reads this file", "id"));
    JsonWriter w;
    w.begin_object().key("id").string(id).key("object").string("file");
    w.key("deleted").boolean(true).end_object();
    exchange->respond(json_response(w.take()));
}

}  // namespace

std::vector<NamedSchema> file_schemas() {
    return {
        {"File", object_schema({
                     {"id", kStringSchema},
                     {"object", enum_schema({"file"})},
                     {"bytes", kIntegerSchema},
                     {"created_at", kIntegerSchema},
                     {"expires_at", or_null(kIntegerSchema)},
                     {"filename", kStringSchema},
                     {"purpose", enum_schema({"batch", "batch_output"})},
                     {"status", enum_schema({"processed"})},
                     {"status_details", kNullSchema},
                 })},
        {"Files", object_schema({
                      {"object", enum_schema({"list"})},
                      {"data", array_schema(schema_ref("File"))},
                      {"first_id", or_null(kStringSchema)},
                      {"last_id", or_null(kStringSchema)},
                      {"has_more", kBooleanSchema},
                  })},
        {"DeletedFile", object_schema({
                            {"id", kStringSchema},
                            {"object", enum_schema({"file"})},
                            {"deleted", kBooleanSchema},
                        })},
    };
}

std::vector<Route> file_routes(const std::shared_ptr<FileService>& service, std::string_view off) {
    const auto with = [&](void (*handle)(const ServicePtr&, const ExchangePtr&)) {
        return [service, handle](const ExchangePtr& exchange) { handle(service, exchange); };
    };
    constexpr std::string_view kOne = "/v1/files/{file_id}";
    std::vector<Route> routes = {
        {"POST",
         "/v1/files",
         render_openai_error,
         with(post_file),
         kAnyType,
         {"createFile", "Upload a file, as a form with file and purpose", "", "File"}},
        {"GET",
         "/v1/files",
         render_openai_error,
         with(list_files),
         0,
         {"listFiles", "What files there are", "", "Files"}},
        {"GET",
         "/v1/files/*",
         render_openai_error,
         with(get_file),
         0,
         {.name = "getFile",
          .summary = "What is known of a file; its content at /content",
          .answer = "File",
          .path = kOne}},
        {"DELETE",
         "/v1/files/*",
         render_openai_error,
         with(delete_file),
         0,
         {.name = "deleteFile", .summary = "Delete a file", .answer = "DeletedFile", .path = kOne}},
    };
    if (service) routes.front().max_body = max_upload(service->options);
    for (Route& route : routes) {
        route.off = off;
        if (!off.empty()) route.description = {};  // nobody need know of it
    }
    return routes;
}

}  // namespace qwend
