#include "daemon/api/batches/batch_line.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/api/json_writer.h"
#include "daemon/api/request_body.h"
#include "model/json_document.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxCustomId = 512;  // bytes

JsonWriter begun_line(std::string_view custom_id, std::string_view request_id) {
    JsonWriter w;
    w.begin_object().key("id").string(request_id).key("custom_id").string(custom_id);
    return w;
}

std::string ended_line(JsonWriter& w) {
    w.end_object();
    return w.take() + '\n';
}

/// Of a member that is missing or not what it should be.
BatchError bad_member(std::string_view name, std::string_view expected,
                      const std::optional<JsonValue>& found) {
    if (!found)
        return {"missing_required_parameter", fmt::format("{}: is missing", name),
                std::string(name)};
    return {fmt::format("invalid_{}", name),
            fmt::format("{}: expected {}, found {}", name, expected, excerpt(found->raw())),
            std::string(name)};
}

}  // namespace

std::variant<BatchLine, BatchError> read_batch_line(std::string_view text,
                                                    std::string_view endpoint) {
    JsonDocument document;
    if (const auto error = parse_json_object(text, document))
        return BatchError{"invalid_json_line", error->message, {}};
    const JsonValue root = document.root();
    BatchLine line;
    std::string method, url;
    const auto id = root.member("custom_id");
    if (!id || !id->get(line.custom_id) || line.custom_id.empty() ||
        line.custom_id.size() > kMaxCustomId)
        return bad_member("custom_id", fmt::format("a string of 1 to {} bytes", kMaxCustomId), id);
    const auto how = root.member("method");
    if (!how || !how->get(method) || method != "POST") return bad_member("method", "\"POST\"", how);
    const auto where = root.member("url");
    if (!where || !where->get(url) || url != endpoint)
        return bad_member("url", fmt::format("\"{}\", the batch's endpoint", endpoint), where);
    const auto body = root.member("body");
    if (!body || !body->is_object()) return bad_member("body", "an object", body);
    if (const auto stream = body->member("stream")) stream->get(line.streams);
    line.body = body->raw();
    return line;
}

std::string answered_line(std::string_view custom_id, std::string_view request_id,
                          const HttpResponse& response) {
    std::string body;
    JsonDocument document;
    if (document.parse(response.body))
        append_json_string(body, response.body);
    else
        append_compact_json(body, response.body);
    JsonWriter w = begun_line(custom_id, request_id);
    w.key("response").begin_object().key("status_code").integer(response.status);
    w.key("request_id").string(request_id).key("body").raw(body).end_object();
    w.key("error").null();
    return ended_line(w);
}

std::string unmade_line(std::string_view custom_id, std::string_view request_id,
                        std::string_view code, std::string_view message) {
    JsonWriter w = begun_line(custom_id, request_id);
    w.key("response").null().key("error").begin_object();
    w.key("code").string(code).key("message").string(message).end_object();
    return ended_line(w);
}

std::optional<AnsweredLine> read_answered_line(std::string_view text) {
    JsonDocument document;
    if (document.parse(text) || !document.root().is_object()) return std::nullopt;
    AnsweredLine line;
    const auto id = document.root().member("custom_id");
    if (!id || !id->get(line.custom_id)) return std::nullopt;
    const auto response = document.root().member("response");
    line.was_made = response && !response->is_null();
    return line;
}

}  // namespace qwend
