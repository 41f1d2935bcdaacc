#include "daemon/api/anthropic/fields.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace qwend {

namespace {

constexpr int kMaxTokensLimit = 1 << 24;  // that no field may exceed, whatever the model
constexpr size_t kMaxStops = 16, kMaxStopBytes = 1024;

bool read_max_tokens(MessagesReader& r, const JsonValue& v) {
    return r.read.integer("max_tokens", v, 1, kMaxTokensLimit, r.style.max_tokens);
}

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
    return !format || format->is_null() || r.read.unsupported("output_config.format");
}

/// How much a model thinks is its own affair; that it should not can be told to the template.
bool read_thinking(MessagesReader& r, const JsonValue& v) {
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

/// What changes no answer here: identities, bookkeeping, and caching, which is always on.
const std::set<std::string_view> kHints = {
    "metadata",           "service_tier", "cache_control", "container",
    "context_management", "diagnostics",  "inference_geo", "speed",
    "user_profile_id",    "workspace_id", "betas",         "anthropic_version",
};

}  // namespace

const std::map<std::string_view, ReadMessagesField>& messages_fields() {
#define QWEND_FIELD(name, expression)                                                  \
    {                                                                                  \
        name, [](MessagesReader& r, const JsonValue& v) -> bool { return expression; } \
    }
    static const std::map<std::string_view, ReadMessagesField> table = {
        QWEND_FIELD("model", r.read.string("model", v, r.style.model)),
        QWEND_FIELD("system", r.system(v)),
        QWEND_FIELD("messages", r.messages(v)),
        QWEND_FIELD("max_tokens", read_max_tokens(r, v)),
        QWEND_FIELD("stream", r.read.boolean("stream", v, r.style.stream)),
        QWEND_FIELD("stop_sequences", read_stops(r, v)),
        QWEND_FIELD("temperature",
                    r.read.number("temperature", v, 0, 100, r.generation.sampling.temperature)),
        QWEND_FIELD("top_p", read_top_p(r, v)),
        QWEND_FIELD("top_k",
                    r.read.integer("top_k", v, 0, kMaxTokensLimit, r.generation.sampling.top_k)),
        QWEND_FIELD("tools", r.tools(v)),
        QWEND_FIELD("tool_choice", r.tool_choice(v)),
        QWEND_FIELD("thinking", read_thinking(r, v)),
        QWEND_FIELD("output_config", read_output_config(r, v)),
        QWEND_FIELD("output_format", v.is_null() || r.read.unsupported("output_format")),
        QWEND_FIELD("mcp_servers", read_mcp_servers(r, v)),
    };
#undef QWEND_FIELD
    return table;
}

bool is_messages_hint(std::string_view name) {
    return kHints.contains(name);
}

}  // namespace qwend
