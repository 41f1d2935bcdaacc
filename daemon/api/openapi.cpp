#include "daemon/api/openapi.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "daemon/api/json_writer.h"
#include "daemon/version.h"

namespace qwend {

namespace {

const DialectDescription& dialect_of(const Route& route,
                                     std::span<const DialectDescription> dialects) {
    const auto found =
        std::ranges::find(dialects, route.render_error, &DialectDescription::render_error);
    return found == dialects.end() ? dialects.front() : *found;
}

/// Names in braces in a path are parameters of it.
void write_parameters(JsonWriter& w, std::string_view path) {
    w.key("parameters").begin_array();
    for (size_t begin = path.find('{'); begin != path.npos; begin = path.find('{', begin + 1)) {
        w.begin_object().key("name");
        w.string(path.substr(begin + 1, path.find('}', begin) - begin - 1));
        w.key("in").string("path").key("required").boolean(true);
        w.key("schema").raw(kStringSchema).end_object();
    }
    w.end_array();
}

/// Each event of a stream; its data is JSON, but for a last "[DONE]".
std::string event_schema() {
    return object_schema({{"event?", kStringSchema}, {"data", kStringSchema}});
}

void write_content(JsonWriter& w, const RouteDescription& said) {
    w.key("content").begin_object();
    if (!said.answer.empty())
        w.key("application/json")
            .begin_object()
            .key("schema")
            .raw(schema_ref(said.answer))
            .end_object();
    for (const std::string_view type : said.other_types) {
        const bool is_events = type == "text/event-stream";
        w.key(type).begin_object().key("schema");
        w.raw(is_events ? event_schema() : std::string(kStringSchema)).end_object();
    }
    w.end_object();
}

void write_answers(JsonWriter& w, const RouteDescription& said, std::string_view error) {
    w.key("responses").begin_object();
    if (!said.answer.empty() || !said.other_types.empty()) {
        w.key("200").begin_object().key("description").string("The answer");
        write_content(w, said);
        w.end_object();
    }
    w.key("default").begin_object().key("description").string("Why there is none");
    w.key("content").begin_object().key("application/json").begin_object();
    w.key("schema").raw(schema_ref(said.refusal.empty() ? error : said.refusal));
    w.end_object().end_object().end_object().end_object();
}

void write_operation(JsonWriter& w, const Route& route, const DialectDescription& dialect,
                     bool needs_key) {
    const RouteDescription& said = route.description;
    std::string method(route.method);
    std::ranges::transform(method, method.begin(), [](unsigned char c) { return std::tolower(c); });
    w.key(method).begin_object();
    w.key("operationId").string(said.name).key("summary").string(said.summary);
    w.key("tags").begin_array().string(dialect.name).end_array();
    write_parameters(w, said.path.empty() ? route.path : said.path);
    if (!said.request.empty()) {
        w.key("requestBody").begin_object().key("required").boolean(true);
        w.key("content").begin_object().key("application/json").begin_object();
        w.key("schema").raw(schema_ref(said.request)).end_object().end_object().end_object();
    }
    write_answers(w, said, dialect.error);
    if (needs_key && !route.is(kOpen)) w.key("security").raw(R"([{"bearer":[]},{"x-api-key":[]}])");
    w.end_object();
}

}  // namespace

std::string render_openapi(std::span<const Route> routes,
                           std::span<const DialectDescription> dialects,
                           std::span<const NamedSchema> schemas, bool needs_key) {
    std::map<std::string_view, std::vector<const Route*>> by_path;
    for (const Route& route : routes) {
        const RouteDescription& said = route.description;
        if (!said.name.empty())
            by_path[said.path.empty() ? route.path : said.path].push_back(&route);
    }
    JsonWriter w;
    w.begin_object().key("openapi").string("3.1.0");
    w.key("info").begin_object().key("title").string("qwend");
    w.key("version").string(qwend_version()).end_object();
    w.key("paths").begin_object();
    for (const auto& [path, offered] : by_path) {
        w.key(path).begin_object();
        for (const Route* route : offered)
            write_operation(w, *route, dialect_of(*route, dialects), needs_key);
        w.end_object();
    }
    w.end_object().key("components").begin_object().key("schemas").begin_object();
    for (const NamedSchema& schema : schemas) w.key(schema.name).raw(schema.text);
    w.end_object().key("securitySchemes");
    w.raw(R"({"bearer":{"type":"http","scheme":"bearer"},)"
          R"("x-api-key":{"type":"apiKey","in":"header","name":"x-api-key"}})");
    w.end_object().end_object();
    return w.take();
}

}  // namespace qwend
