#include "daemon/api/vectors/request.h"

#include <fmt/format.h>

#include <variant>

#include "daemon/api/openai/fields.h"
#include "daemon/api/openai/request_steps.h"
#include "daemon/api/request_body.h"
#include "daemon/api/vectors/fields.h"

namespace qwend {

namespace {

bool read_vector_field(VectorReader& r, const std::string& name, const JsonValue& value,
                       unsigned scope) {
    if (const auto* field = find_field(vector_fields(), name, scope))
        return value.is_null() || field->read(r, name, value);
    return read_field(r.common, name, value, kVectors);
}

bool settle_texts(VectorReader& r) {
    const bool has_messages = !r.request.common.generation.messages.empty();
    const auto& inputs = r.request.inputs;
    if (inputs.empty() != has_messages)
        return r.read.fail("input", has_messages ? "input: not together with messages"
                                                 : "input: expected text, found none");
    for (size_t i = 0; i < inputs.size(); i++)
        if (std::visit([](const auto& input) { return input.empty(); }, inputs[i])) {
            const std::string at = r.request.lists_inputs ? fmt::format("input[{}]", i) : "input";
            return r.read.fail(at, at + ": expected text or token ids, found none");
        }
    return true;
}

bool settle_pairs(VectorReader& r, bool ranks) {
    const VectorRequest& q = r.request;
    const char* first = ranks ? "query" : "text_1";
    const char* second = ranks ? "documents" : "text_2";
    if (q.queries.empty()) return r.read.fail(first, fmt::format("{}: expected text", first));
    if (q.documents.empty()) return r.read.fail(second, fmt::format("{}: expected texts", second));
    if (q.queries.size() == 1 || (!ranks && q.queries.size() == q.documents.size())) return true;
    return r.read.fail(q.queries_field,
                       ranks
                           ? "query: expected one text"
                           : fmt::format("{}: expected one text, or as many as {}: found {} and {}",
                                         q.queries_field, q.documents_field, q.queries.size(),
                                         q.documents.size()));
}

bool settle(VectorReader& r, unsigned scope) {
    if (!settle_common(r.common)) return false;
    return scope & kOfTexts ? settle_texts(r) : settle_pairs(r, scope == kRerank);
}

}  // namespace

std::optional<ApiError> parse_vector_request(std::string_view body, unsigned scope,
                                             const RulesOf& rules_of, VectorRequest& request) {
    JsonDocument document;
    if (auto error = parse_json_object(body, document)) return error;
    const RequestRules rules = rules_of(named_model(document));
    request.common.generation.chat_options.add_generation_prompt = false;
    VectorReader reader(rules.limits, request);
    for (const auto& [name, value] : document.root().members())
        if (!read_vector_field(reader, name, value, scope)) return reader.read.error;
    settle(reader, scope);
    return reader.read.error;
}

}  // namespace qwend
