#include "daemon/api/openai/schemas.h"

#include "daemon/api/openai/fields.h"

namespace qwend {

namespace {

const std::string kStringOrNull = or_null(kStringSchema), kIds = array_schema(kIntegerSchema);

std::string request(unsigned scope, std::initializer_list<std::string_view> required) {
    RequestSchema schema;
    add_fields(schema, request_fields(), scope);
    return schema.require(required).text();
}

std::string constant(std::string_view value) {
    return enum_schema({value});
}

/// By token id.
std::string prompt_logprobs() {
    const std::string entry = object_schema({
        {"logprob", kNumberSchema},
        {"rank", kIntegerSchema},
        {"decoded_token", kStringSchema},
    });
    return array_schema(or_null(R"({"type":"object","additionalProperties":)" + entry + "}"));
}

std::string usage() {
    return object_schema({
        {"prompt_tokens", kIntegerSchema},
        {"completion_tokens", kIntegerSchema},
        {"total_tokens", kIntegerSchema},
        {"prompt_tokens_details", object_schema({{"cached_tokens", kIntegerSchema}})},
        {"completion_tokens_details?", object_schema({{"reasoning_tokens", kIntegerSchema}})},
    });
}

std::string token_logprob(bool has_tops) {
    const std::string tops = array_schema(has_tops ? token_logprob(false) : kAnySchema);
    return object_schema({
        {"token", kStringSchema},
        {"logprob", kNumberSchema},
        {"bytes", or_null(kIds)},
        {has_tops ? "top_logprobs" : "top_logprobs?", tops},
    });
}

std::string tool_call() {
    return object_schema({
        {"id", kStringSchema},
        {"type", constant("function")},
        {"function", object_schema({{"name", kStringSchema}, {"arguments", kStringSchema}})},
    });
}

std::string finish_reason() {
    return enum_schema({"stop", "length", "tool_calls", "abort"});
}

std::string stop_reason() {
    return any_of({kStringSchema, kIntegerSchema, kNullSchema});
}

std::string chat_answer() {
    const std::string message = object_schema({
        {"role", constant("assistant")},
        {"content", kStringOrNull},
        {"refusal", kNullSchema},
        {"reasoning_content?", kStringSchema},
        {"reasoning?", kStringSchema},
        {"tool_calls?", array_schema(tool_call())},
    });
    const std::string logprobs =
        object_schema({{"content", array_schema(token_logprob(true))}, {"refusal", kNullSchema}});
    const std::string choice = object_schema({
        {"index", kIntegerSchema},
        {"logprobs", or_null(logprobs)},
        {"message", message},
        {"finish_reason", finish_reason()},
        {"stop_reason", stop_reason()},
        {"token_ids?", kIds},
    });
    return object_schema({
        {"id", kStringSchema},
        {"object", constant("chat.completion")},
        {"created", kIntegerSchema},
        {"model", kStringSchema},
        {"system_fingerprint", kStringSchema},
        {"prompt_token_ids?", kIds},
        {"prompt_logprobs?", prompt_logprobs()},
        {"choices", array_schema(choice)},
        {"usage", schema_ref("Usage")},
    });
}

std::string text_answer() {
    const std::string logprobs = object_schema({
        {"tokens", array_schema(kStringSchema)},
        {"token_logprobs", array_schema(or_null(kNumberSchema))},
        {"top_logprobs", array_schema(or_null(kObjectSchema))},
        {"text_offset", kIds},
    });
    const std::string choice = object_schema({
        {"index", kIntegerSchema},
        {"logprobs", or_null(logprobs)},
        {"text", kStringSchema},
        {"finish_reason", finish_reason()},
        {"stop_reason", stop_reason()},
        {"token_ids?", kIds},
        {"prompt_token_ids?", kIds},
        {"prompt_logprobs?", prompt_logprobs()},
    });
    return object_schema({
        {"id", kStringSchema},
        {"object", constant("text_completion")},
        {"created", kIntegerSchema},
        {"model", kStringSchema},
        {"system_fingerprint", kStringSchema},
        {"choices", array_schema(choice)},
        {"usage", schema_ref("Usage")},
    });
}

std::string error() {
    return object_schema({{"error", object_schema({
                                        {"message", kStringSchema},
                                        {"type", kStringSchema},
                                        {"param", kStringOrNull},
                                        {"code", kStringOrNull},
                                    })}});
}

}  // namespace

std::vector<NamedSchema> openai_schemas() {
    return {
        {"ChatCompletionRequest", request(kChat, {"messages"})},
        {"ChatCompletion", chat_answer()},
        {"CompletionRequest", request(kText, {"prompt"})},
        {"Completion", text_answer()},
        {"Usage", usage()},
        {"TokenizeRequest", request(kTokenize, {})},
        {"Tokens", object_schema({
                       {"tokens", kIds},
                       {"count", kIntegerSchema},
                       {"max_model_len", kIntegerSchema},
                   })},
        {"ApplyTemplateRequest", request(kTokenize, {"messages"})},
        {"DetokenizeRequest", request(kDetokenize, {"tokens"})},
        {"Prompt", object_schema({{"prompt", kStringSchema}})},
        {"Error", error()},
    };
}

}  // namespace qwend
