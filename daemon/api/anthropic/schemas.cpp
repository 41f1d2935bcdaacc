#include "daemon/api/anthropic/schemas.h"

#include "daemon/api/anthropic/fields.h"

namespace qwend {

namespace {

std::string request(std::initializer_list<std::string_view> required) {
    RequestSchema schema;
    add_fields(schema, messages_fields(), kAnyScope);
    return schema.require(required).text();
}

std::string block() {
    const std::string text =
        object_schema({{"type", enum_schema({"text"})}, {"text", kStringSchema}});
    const std::string thinking = object_schema({
        {"type", enum_schema({"thinking"})},
        {"thinking", kStringSchema},
        {"signature", kStringSchema},
    });
    const std::string tool_use = object_schema({
        {"type", enum_schema({"tool_use"})},
        {"id", kStringSchema},
        {"name", kStringSchema},
        {"input", kObjectSchema},
    });
    return any_of({text, thinking, tool_use});
}

std::string message() {
    const std::string usage = object_schema({
        {"input_tokens", kIntegerSchema},
        {"cache_creation_input_tokens", kIntegerSchema},
        {"cache_read_input_tokens", kIntegerSchema},
        {"output_tokens", kIntegerSchema},
    });
    return object_schema({
        {"id", kStringSchema},
        {"type", enum_schema({"message"})},
        {"role", enum_schema({"assistant"})},
        {"model", kStringSchema},
        {"content", array_schema(block())},
        {"stop_reason", enum_schema({"end_turn", "max_tokens", "stop_sequence", "tool_use",
                                     "model_context_window_exceeded"})},
        {"stop_sequence", or_null(kStringSchema)},
        {"usage", usage},
    });
}

}  // namespace

std::vector<NamedSchema> anthropic_schemas() {
    const std::string error = object_schema({{"type", kStringSchema}, {"message", kStringSchema}});
    return {
        {"MessagesRequest", request({"messages", "max_tokens"})},
        {"Message", message()},
        {"CountTokensRequest", request({"messages"})},
        {"TokenCount", object_schema({{"input_tokens", kIntegerSchema}})},
        {"AnthropicError", object_schema({
                               {"type", enum_schema({"error"})},
                               {"error", error},
                               {"request_id?", kStringSchema},
                           })},
    };
}

}  // namespace qwend
