#include "daemon/api/anthropic/fields.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "daemon/api/form_fields.h"

namespace qwend {

namespace {

constexpr int kMaxTokensLimit = 1 << 24;  // that no field may exceed, whatever the model
constexpr size_t kMaxStops = 16, kMaxStopBytes = 1024;

using Kinds = FieldKinds<MessagesReader>;

bool read_stops(MessagesReader& r, const JsonValue& v) {
    if (!v.is_array()) return r.read.expected("stop_sequences", "an array of strings", v);
    std::vector<std::string>& stops = r.generation.stops;
    for (const JsonValue element : v.elements()) {
        const std::string at = fmt::format("stop_sequences[{}]", stops.size());
        if (stops.size() == kMaxStops)
            return r.read.fail("stop_sequences",
                               fmt::format("stop_sequences: expected at most {}", kMaxStops));
        if (!r.read.string(at, element, stops.emplace_back())) return false;
        if (stops.back().empty() || stops.back().size() > kMaxStopBytes)
            return r.read.fail(at, fmt::format("{}: expected 1 to {} bytes", at, kMaxStopBytes));
    }
    return true;
}

/// 0 asks for the likeliest token alone; the sampler keeps one in any case.
bool read_top_p(MessagesReader& r, const JsonValue& v) {
    constexpr float kLeast = 1e-9f;
    float& top_p = r.generation.sampling.top_p;
    if (!r.read.number("top_p", v, 0, 1, top_p)) return false;
    top_p = std::max(top_p, kLeast);
    return true;
}

/// Its effort is for models that reason.
bool read_output_config(MessagesReader& r, const JsonValue& v) {
    const auto format = v.member("format");
    if (!v.is_object()) return r.read.expected("output_config", "an object", v);
    return !format || format->is_null() ||
           read_response_format(r.read, "output_config.format", *format, r.generation.form);
}

/// The older name of output_config.format, which betas of the SDK have.
bool read_output_format(MessagesReader& r, const JsonValue& v) {
    return read_response_format(r.read, "output_format", v, r.generation.form);
}

/// How much a model thinks is its own affair; that it should not can be told to the template.
bool read_thinking(MessagesReader& r, const JsonValue& v) {
    if (!v.is_object()) return r.read.expected("thinking", "an object", v);
    std::string type;
    const auto named = v.member("type");
    if (named && named->get(type) && type == "disabled")
        r.generation.chat_options.template_kwargs = R"({"enable_thinking":false})";
    return true;
}

bool read_mcp_servers(MessagesReader& r, const JsonValue& v) {
    const bool is_empty = v.is_array() && !(v.elements().begin() != v.elements().end());
    return is_empty || r.read.unsupported("mcp_servers", "call them and send their results");
}

constexpr std::string_view kTextBlocks = R"({"type":"array","items":{"type":"object",
"required":["type"],"properties":{"type":{"type":"string"},"text":{"type":"string"}}}})";
constexpr std::string_view kStopsSchema = R"({"type":"array","maxItems":16,
"items":{"type":"string","minLength":1,"maxLength":1024}})";
constexpr std::string_view kToolsSchema = R"({"type":"array","items":{"type":"object",
"required":["name"],"properties":{"type":{"type":"string"},"name":{"type":"string"},
"description":{},"input_schema":{},"strict":{"type":["boolean","null"]}}}})";
constexpr std::string_view kToolChoiceSchema = R"({"type":"object","required":["type"],"properties":
{"type":{"type":"string","enum":["auto","any","tool","none"]},
"name":{"type":["string","null"]},"disable_parallel_tool_use":{}}})";
constexpr std::string_view kOutputConfigSchema = R"({"type":"object","properties":
{"effort":{"type":["string","null"]},"format":{"anyOf":[{"type":"null"},{"type":"object",
"required":["type"]}]}}})";
constexpr std::string_view kFormatSchema = R"({"type":"object","required":["type"]})";
const std::string kSystemSchema = fmt::format(R"({{"anyOf":[{},{}]}})", kStringSchema, kTextBlocks);
const std::string kMessagesSchema = fmt::format(
    R"({{"type":"array","minItems":1,"items":{{"type":"object","required":["role","content"],)"
    R"("properties":{{"role":{{"type":"string","enum":["user","assistant","system"]}},)"
    R"("content":{{"anyOf":[{},{}]}}}}}}}})",
    kStringSchema, kTextBlocks);

/// What changes no answer here: identities, bookkeeping, and caching, which is always on.
const std::set<std::string_view> kHints = {
    "metadata",           "service_tier", "cache_control", "container",
    "context_management", "diagnostics",  "inference_geo", "speed",
    "user_profile_id",    "workspace_id", "betas",         "anthropic_version",
};

}  // namespace

const FieldTable<MessagesReader>& messages_fields() {
    constexpr unsigned kAll = kAnyScope;
    static const FieldTable<MessagesReader> table = {
        {"model", Kinds::string(kAll, QWEND_INTO(style.model))},
        {"system", Kinds::with(kAll, kSystemSchema, &MessagesReader::system)},
        {"messages", Kinds::with(kAll, kMessagesSchema, &MessagesReader::messages)},
        {"max_tokens", Kinds::integer(kAll, 1, kMaxTokensLimit, QWEND_INTO(style.max_tokens))},
        {"stream", Kinds::boolean(kAll, QWEND_INTO(style.stream))},
        {"stop_sequences", Kinds::with(kAll, kStopsSchema, read_stops)},
        {"temperature", Kinds::number(kAll, 0, 100, QWEND_INTO(generation.sampling.temperature))},
        {"top_p", Kinds::with(kAll, number_schema(0, 1), read_top_p)},
        {"top_k", Kinds::integer(kAll, 0, kMaxTokensLimit, QWEND_INTO(generation.sampling.top_k))},
        {"tools", Kinds::with(kAll, kToolsSchema, &MessagesReader::tools)},
        {"tool_choice", Kinds::with(kAll, kToolChoiceSchema, &MessagesReader::tool_choice)},
        {"thinking", Kinds::with(kAll, kObjectSchema, read_thinking)},
        {"output_config", Kinds::with(kAll, kOutputConfigSchema, read_output_config)},
        {"output_format", Kinds::with(kAll, kFormatSchema, read_output_format)},
        {"mcp_servers", Kinds::with(kAll, R"({"type":"array","maxItems":0})", read_mcp_servers)},
    };
    return table;
}

bool is_messages_hint(std::string_view name) {
    return kHints.contains(name);
}

}  // namespace qwend
