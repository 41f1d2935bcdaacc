#include "daemon/api/responses/schemas.h"

#include "daemon/api/openai/fields.h"
#include "daemon/api/responses/fields.h"

namespace qwend {

namespace {

const std::string kStringOrNull = or_null(kStringSchema);

std::string request() {
    RequestSchema schema;
    add_fields(schema, request_fields(), kResponses);
    add_fields(schema, response_fields(), kResponses);  // where both have one, this is it
    return schema.require({"input"}).text();
}

std::string usage() {
    return object_schema({
        {"input_tokens", kIntegerSchema},
        {"input_tokens_details", object_schema({
                                     {"cached_tokens", kIntegerSchema},
                                     {"cache_write_tokens", kIntegerSchema},
                                 })},
        {"output_tokens", kIntegerSchema},
        {"output_tokens_details", object_schema({{"reasoning_tokens", kIntegerSchema}})},
        {"total_tokens", kIntegerSchema},
    });
}

/// A message, a call or what was thought: members of one that another lacks may be absent.
std::string output_item() {
    return object_schema({
        {"id", kStringSchema},
        {"type", enum_schema({"message", "reasoning", "function_call", "custom_tool_call"})},
        {"status", kStringSchema},
        {"role?", enum_schema({"assistant"})},
        {"content?", array_schema(kObjectSchema)},
        {"summary?", array_schema(kObjectSchema)},
        {"call_id?", kStringSchema},
        {"name?", kStringSchema},
        {"namespace?", kStringSchema},
        {"arguments?", kStringSchema},
        {"input?", kStringSchema},
    });
}

std::string response() {
    const std::string error = object_schema({{"code", kStringSchema}, {"message", kStringSchema}});
    return object_schema({
        {"id", kStringSchema},
        {"object", enum_schema({"response"})},
        {"created_at", kIntegerSchema},
        {"model", kStringSchema},
        {"status", enum_schema({"completed", "incomplete", "failed", "in_progress"})},
        {"error", or_null(error)},
        {"incomplete_details", or_null(object_schema({{"reason", kStringSchema}}))},
        {"output", array_schema(output_item())},
        {"usage", or_null(usage())},
        // What the request said, or what holds where it said nothing.
        {"instructions", kStringOrNull},
        {"previous_response_id", kStringOrNull},
        {"tools", array_schema(kObjectSchema)},
        {"tool_choice", any_of({kStringSchema, kObjectSchema})},
        {"parallel_tool_calls", kBooleanSchema},
        {"max_output_tokens", or_null(kIntegerSchema)},
        {"max_tool_calls", kAnySchema},
        {"temperature", kNumberSchema},
        {"top_p", kNumberSchema},
        {"top_logprobs", kIntegerSchema},
        {"text", kObjectSchema},
        {"reasoning", kObjectSchema},
        {"truncation", kStringSchema},
        {"background", kBooleanSchema},
        {"store", kBooleanSchema},
        {"metadata", kObjectSchema},
        {"user", kStringOrNull},
        {"safety_identifier", kStringOrNull},
        {"prompt_cache_key", kStringOrNull},
        {"prompt_cache_retention", kStringOrNull},
        {"service_tier", kStringSchema},
    });
}

}  // namespace

std::vector<NamedSchema> response_schemas() {
    return {
        {"ResponseRequest", request()},
        {"Response", response()},
        {"DeletedResponse", object_schema({
                                {"id", kStringSchema},
                                {"object", enum_schema({"response"})},
                                {"deleted", kBooleanSchema},
                            })},
    };
}

}  // namespace qwend
