#include "daemon/api/ollama/schemas.h"

#include "daemon/api/ollama/fields.h"

namespace qwend {

namespace {

std::string request(unsigned scope) {
    RequestSchema schema;
    add_fields(schema, ollama_fields(), scope);
    return schema.text();
}

std::string token_logprob(bool has_tops) {
    const std::string tops = array_schema(has_tops ? token_logprob(false) : kAnySchema);
    return object_schema({
        {"token", kStringSchema},
        {"logprob", kNumberSchema},
        {"bytes", array_schema(kIntegerSchema)},
        {has_tops ? "top_logprobs" : "top_logprobs?", tops},
    });
}

/// A whole answer; of a stream each line is such an object.
std::string answer(std::string_view content, std::string_view schema) {
    return object_schema({
        {"model", kStringSchema},
        {"created_at", kStringSchema},
        {content, schema},
        {"done", kBooleanSchema},
        {"done_reason?", kStringSchema},
        {"logprobs?", array_schema(token_logprob(true))},
        {"thinking?", kStringSchema},
        {"total_duration?", kIntegerSchema},
        {"load_duration?", kIntegerSchema},
        {"prompt_eval_count?", kIntegerSchema},
        {"prompt_eval_duration?", kIntegerSchema},
        {"eval_count?", kIntegerSchema},
        {"eval_duration?", kIntegerSchema},
        {"context?", array_schema(kIntegerSchema)},
    });
}

std::string message() {
    const std::string function = object_schema({
        {"index", kIntegerSchema},
        {"name", kStringSchema},
        {"arguments", kObjectSchema},
    });
    return object_schema({
        {"role", enum_schema({"assistant"})},
        {"content", kStringSchema},
        {"thinking?", kStringSchema},
        {"tool_calls?",
         array_schema(object_schema({{"id", kStringSchema}, {"function", function}}))},
    });
}

std::string details() {
    return object_schema({
        {"parent_model", kStringSchema},
        {"format", kStringSchema},
        {"family", kStringSchema},
        {"families", array_schema(kStringSchema)},
        {"parameter_size", kStringSchema},
        {"quantization_level", kStringSchema},
    });
}

/// Of the models that are there, or that run.
std::string model_list() {
    const std::string model = object_schema({
        {"name", kStringSchema},
        {"model", kStringSchema},
        {"size", kIntegerSchema},
        {"digest", kStringSchema},
        {"details", details()},
        {"modified_at?", kStringSchema},
        {"capabilities?", array_schema(kStringSchema)},
        {"expires_at?", kStringSchema},
        {"size_vram?", kIntegerSchema},
        {"context_length?", kIntegerSchema},
    });
    return object_schema({{"models", array_schema(model)}});
}

std::string shown() {
    return object_schema({
        {"modelfile", kStringSchema},
        {"parameters", kStringSchema},
        {"template", kStringSchema},
        {"system", kStringSchema},
        {"license", kStringSchema},
        {"details", details()},
        {"model_info", kObjectSchema},
        {"capabilities", array_schema(kStringSchema)},
        {"modified_at", kStringSchema},
    });
}

}  // namespace

std::vector<NamedSchema> ollama_schemas() {
    const std::string name = or_null(kStringSchema);
    return {
        {"OllamaChatRequest", request(kOllamaChat)},
        {"OllamaChat", answer("message", message())},
        {"OllamaGenerateRequest", request(kOllamaGenerate)},
        {"OllamaGenerated", answer("response", kStringSchema)},
        {"OllamaModels", model_list()},
        {"OllamaVersion", object_schema({{"version", kStringSchema}})},
        {"OllamaModelRequest", object_schema({
                                   {"model?", name},
                                   {"name?", name},
                                   {"stream?", or_null(kBooleanSchema)},
                               })},
        {"OllamaModel", shown()},
        {"OllamaStatus", object_schema({{"status", kStringSchema}})},
        {"OllamaError", object_schema({{"error", kStringSchema}})},
    };
}

}  // namespace qwend
