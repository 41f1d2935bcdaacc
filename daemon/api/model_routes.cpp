#include "daemon/api/model_routes.h"

#include <ctime>
#include <string>
#include <string_view>

#include "daemon/api/http_answers.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/route_path.h"

namespace qwend {

namespace {

constexpr std::string_view kModelPath = "/v1/models/";

/// As RFC 3339 has it, in UTC.
std::string date_of(std::time_t time) {
    std::tm utc{};
    char text[sizeof "2026-11-28T00:00:00Z"];
    gmtime_r(&time, &utc);
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

void write_model(JsonWriter& w, const Model& model, const std::string& name) {
    const int context = model.context_limit();
    w.begin_object().key("id").string(name).key("object").string("model");
    w.key("created").integer(model.text->created).key("owned_by").string("qwend");
    w.key("root").string(model.text->names[0]).key("max_model_len").integer(context);
    w.key("type").string("model").key("display_name").string(name);
    w.key("created_at").string(date_of(model.text->created));
    w.key("lifecycle").string("active");
    w.key("max_input_tokens").integer(context).key("max_tokens").integer(context).end_object();
}

/// All of them, whatever page was asked for.
void get_models(const ApiContext& api, const ExchangePtr& exchange) {
    JsonWriter w;
    w.begin_object().key("object").string("list").key("data").begin_array();
    for (const ModelPtr& model : api.models.models())
        for (const std::string& name : model->text->names) write_model(w, *model, name);
    w.end_array().key("has_more").boolean(false);
    w.key("first_id").string(api.models.models().front()->text->names.front());
    w.key("last_id").string(api.models.models().back()->text->names.back()).end_object();
    exchange->respond(json_response(w.take()));
}

void get_model(const ApiContext& api, const ExchangePtr& exchange) {
    const std::string asked = canonical_path(exchange->request().path).substr(kModelPath.size());
    const std::string name = decode_percent(asked).value_or(asked);
    const ModelPtr model = name.empty() ? nullptr : api.models.find(name);
    if (!model) return respond_error(*exchange, model_not_found(name));
    JsonWriter w;
    write_model(w, *model, name);
    exchange->respond(json_response(w.take()));
}

}  // namespace

std::vector<NamedSchema> model_schemas() {
    return {
        {"Model", object_schema({
                      {"id", kStringSchema},
                      {"object", enum_schema({"model"})},
                      {"created", kIntegerSchema},
                      {"owned_by", kStringSchema},
                      {"root", kStringSchema},
                      {"max_model_len", kIntegerSchema},
                      {"type", enum_schema({"model"})},
                      {"display_name", kStringSchema},
                      {"created_at", kStringSchema},
                      {"lifecycle", kStringSchema},
                      {"max_input_tokens", kIntegerSchema},
                      {"max_tokens", kIntegerSchema},
                  })},
        {"Models", object_schema({
                       {"object", enum_schema({"list"})},
                       {"data", array_schema(schema_ref("Model"))},
                       {"has_more", kBooleanSchema},
                       {"first_id", kStringSchema},
                       {"last_id", kStringSchema},
                   })},
    };
}

std::vector<Route> model_routes(const ApiContext& api, RenderError render_error) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    return {
        {"GET",
         "/v1/models",
         render_error,
         to(get_models),
         kNamesRequest,
         {"listModels", "What is served", "", "Models"}},
        {"GET",
         "/v1/models/*",
         render_error,
         to(get_model),
         kNamesRequest,
         {.name = "getModel",
          .summary = "One of what is served",
          .answer = "Model",
          .path = "/v1/models/{model}"}},
    };
}

}  // namespace qwend
