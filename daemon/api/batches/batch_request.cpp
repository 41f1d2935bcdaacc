#include "daemon/api/batches/batch_request.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "daemon/api/batches/upload.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/request_body.h"
#include "daemon/api/schema.h"
#include "model/json_document.h"
#include "model/utf8.h"

namespace qwend {

namespace {

constexpr size_t kMaxPairs = 16, kMaxKey = 64, kMaxValue = 512;  // of metadata, as OpenAI has it
constexpr int64_t kMaxWindow = 30 * 24 * 3600;                   // s
constexpr size_t kMaxId = 128;

ApiError expected(std::string_view field, std::string_view what, const JsonValue& found) {
    return bad_request(fmt::format("{}: expected {}, found {}", field, what, excerpt(found.raw())),
                       std::string(field));
}

/// "24h", "90m", "7d": seconds; 0: it is none, or too long.
int64_t seconds_of(std::string_view window) {
    int64_t n = 0;
    const char* const end = window.data() + window.size();
    const auto [unit, error] = std::from_chars(window.data(), end, n);
    if (error != std::errc() || end - unit != 1 || n <= 0 || n > kMaxWindow) return 0;
    const int64_t each = *unit == 's'   ? 1
                         : *unit == 'm' ? 60
                         : *unit == 'h' ? 3600
                         : *unit == 'd' ? 24 * 3600
                                        : 0;
    return n * each <= kMaxWindow ? n * each : 0;
}

std::optional<ApiError> read_metadata(const JsonValue& value, std::string& metadata) {
    const auto bad = [&] {
        return expected("metadata",
                        fmt::format("an object of at most {} strings, of {} bytes each at most, "
                                    "with keys of {}",
                                    kMaxPairs, kMaxValue, kMaxKey),
                        value);
    };
    if (!value.is_object()) return bad();
    size_t n = 0;
    for (const auto& [key, member] : value.members()) {
        std::string text;
        if (++n > kMaxPairs || key.size() > kMaxKey || !member.get(text) || text.size() > kMaxValue)
            return bad();
    }
    metadata.clear();
    append_compact_json(metadata, value.raw());
    return std::nullopt;
}

std::optional<ApiError> read_lifetime(const JsonValue& value, int64_t& lifetime) {
    std::string anchor;
    const auto from = value.member("anchor"), seconds = value.member("seconds");
    if (from && from->get(anchor) && anchor == "created_at" && seconds && seconds->get(lifetime) &&
        lifetime >= kMinLifetime && lifetime <= kMaxLifetime)
        return std::nullopt;
    return expected("output_expires_after",
                    fmt::format("{{\"anchor\": \"created_at\", \"seconds\": {} to {}}}",
                                kMinLifetime, kMaxLifetime),
                    value);
}

std::optional<ApiError> read_member(std::string_view key, const JsonValue& value,
                                    BatchRecord& batch) {
    if (key == "input_file_id" &&
        (!value.get(batch.input_file_id) || batch.input_file_id.size() > kMaxId))
        return expected(key, "a file's id", value);
    if (key == "endpoint" &&
        (!value.get(batch.endpoint) ||
         std::ranges::find(kBatchEndpoints, batch.endpoint) == kBatchEndpoints.end()))
        return expected(key, fmt::format("one of {}", fmt::join(kBatchEndpoints, ", ")), value);
    if (key == "completion_window") {
        if (!value.get(batch.completion_window) ||
            (batch.expires_at = seconds_of(batch.completion_window)) == 0)
            return expected(key, "\"24h\", or another time of up to \"30d\"", value);
    }
    if (key == "metadata" && !value.is_null()) return read_metadata(value, batch.metadata);
    if (key == "output_expires_after" && !value.is_null())
        return read_lifetime(value, batch.output_lifetime);
    return std::nullopt;
}

}  // namespace

std::optional<ApiError> read_batch_request(std::string_view body, BatchRecord& batch) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    for (const auto& [key, value] : document.root().members())
        if (auto error = read_member(key, value, batch)) return error;
    for (const auto& [name, text] :
         {std::pair<const char*, const std::string&>("input_file_id", batch.input_file_id),
          std::pair<const char*, const std::string&>("endpoint", batch.endpoint),
          std::pair<const char*, const std::string&>("completion_window", batch.completion_window)})
        if (text.empty()) return bad_request(fmt::format("{}: is missing", name), name);
    return std::nullopt;
}

std::string batch_request_schema() {
    RequestSchema schema;
    std::string endpoints = R"({"type":"string","enum":[)";
    for (const std::string_view endpoint : kBatchEndpoints)
        endpoints += fmt::format("{}\"{}\"", endpoints.ends_with('[') ? "" : ",", endpoint);
    schema.add("input_file_id", kStringSchema).add("endpoint", endpoints + "]}");
    schema.add("completion_window", kStringSchema);
    schema.add("metadata", R"({"type":"object","additionalProperties":{"type":"string"}})");
    schema.add("output_expires_after",
               object_schema({{"anchor", enum_schema({"created_at"})},
                              {"seconds", integer_schema(kMinLifetime, kMaxLifetime)}}));
    schema.require({"input_file_id", "endpoint", "completion_window"});
    return schema.text();
}

}  // namespace qwend
