#include "daemon/api/responses/request.h"

#include <algorithm>
#include <memory>

#include "daemon/api/json_writer.h"
#include "daemon/api/openai/fields.h"
#include "daemon/api/openai/request_steps.h"
#include "daemon/api/request_body.h"
#include "daemon/api/responses/fields.h"
#include "daemon/api/responses/reader.h"

namespace qwend {

namespace {

bool read_member(ResponseReader& r, const std::string& name, const JsonValue& value) {
    const auto* field = find_field(response_fields(), name, kResponses);
    if (!field) return read_field(r.base, name, value, kResponses);
    if (value.is_null()) return true;  // the same as absent
    const auto echoed = echoed_fields().find(name);
    if (echoed != echoed_fields().end()) append_compact_json(r.echoed[echoed->first], value.raw());
    return field->read(r, name, value);
}

void write_echo(const ResponseReader& r, std::string& out) {
    for (const auto& [name, absent] : echoed_fields()) {
        const auto given = r.echoed.find(name);
        out.append(",\"").append(name).append("\":");
        out += given == r.echoed.end() ? absent : given->second;
    }
    const SamplingParams& sampling = r.generation.sampling;
    out += fmt::format(R"(,"temperature":{},"top_p":{},"parallel_tool_calls":{},"store":{})",
                       sampling.temperature, sampling.top_p, r.generation.parallel_tool_calls,
                       r.style.store);
}

/// What can only be judged with all fields read; the first error counts.
bool settle(ResponseReader& r, const ResponseTable& stored) {
    Generation& q = r.generation;
    if (!settle_common(r.base) || !settle_tools(r.base) ||
        !settle_min_tokens(r.base, "max_output_tokens") || !r.conversation(stored))
        return false;
    if (r.wants_logprobs || r.top_logprobs > 0) q.sampling.n_logprobs = std::max(r.top_logprobs, 0);
    q.prompt_field = "input";
    ResponseStyle& style = r.style;
    style.model = r.base.style.model;
    style.stream = r.base.style.stream;
    style.tokens_as_ids = r.base.style.tokens_as_ids;
    style.store = style.store && style.can_store;
    q.whole_calls = !style.stream;
    if (style.store && r.input) style.input = std::make_shared<std::string>(r.input->raw());
    write_echo(r, style.echo);
    return true;
}

}  // namespace

std::optional<ApiError> parse_response_request(std::string_view body, const RulesOf& rules_of,
                                               const ResponseTable& stored,
                                               ResponseRequest& request) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    const RequestRules rules = rules_of(named_model(document));
    apply_defaults(rules.defaults, request.base.generation.sampling);
    request.base.style.chat = true;
    ResponseReader reader(rules.limits, request);
    for (const auto& [name, value] : document.root().members())
        if (!read_member(reader, name, value)) return reader.read.error;
    settle(reader, stored);
    return reader.read.error;
}

}  // namespace qwend
