#include "daemon/api/ollama/request.h"

#include "daemon/api/ollama/error.h"
#include "daemon/api/ollama/fields.h"
#include "daemon/api/ollama/template_text.h"
#include "daemon/api/request_body.h"

namespace qwend {

namespace {

std::optional<ApiError> parse_object(std::string_view body, JsonDocument& document) {
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return bad_request("missing request body");
    return parse_json_object(body, document);
}

bool read_fields(const JsonDocument& document, unsigned scope, OllamaReader& r) {
    for (const auto& [name, value] : document.root().members()) {
        const auto* field = find_field(ollama_fields(), name, scope);
        if (!field)
            r.note_unknown(name);
        else if (!value.is_null() && !field->read(r, name, value))
            return false;
    }
    return true;
}

void settle_sampling(OllamaReader& r) {
    SamplingParams& sampling = r.generation.sampling;
    if (r.logprobs) sampling.n_logprobs = r.top_logprobs;
    if (r.penalizes) return;
    sampling.repetition_penalty = 1;
    sampling.presence_penalty = sampling.frequency_penalty = 0;
}

/// What can only be judged with all fields read; the first error counts.
bool settle(OllamaReader& r) {
    Generation& q = r.generation;
    settle_sampling(r);
    q.whole_calls = q.clips_max_tokens = true;
    q.prompt_field = r.style.chat ? "messages" : "prompt";
    const bool asks_nothing =
        r.style.chat ? q.messages.empty() : r.prompt.prompt.empty() && r.prompt.suffix.empty();
    if (asks_nothing) {
        r.request.asks =
            r.keep_alive == 0.0 ? OllamaRequest::Asks::unload : OllamaRequest::Asks::load;
        return true;
    }
    if (r.style.chat) return true;
    q.return_token_ids = r.style.gives_context = !r.prompt.raw;
    auto error = settle_prompt(r.text, r.style.model, std::move(r.prompt), q);
    return !error || r.fail(std::move(*error));
}

std::optional<ApiError> parse_request(std::string_view body, unsigned scope, const TextOf& text_of,
                                      OllamaRequest& request) {
    JsonDocument document;
    if (auto error = parse_object(body, document)) return error;
    // The model's name comes first, since what holds for the rest depends on it.
    const auto named = document.root().member("model");
    if (named && !named->is_null() && !named->get(request.style.model))
        return bad_request("model: expected a string", "model");
    const ModelText* text = text_of(request.style.model);
    if (!text) return ollama_model_not_found(request.style.model);
    apply_defaults(text->defaults, request.generation.sampling);
    OllamaReader reader(*text, request);
    if (read_fields(document, scope, reader)) settle(reader);
    return reader.read.error;
}

}  // namespace

std::optional<ApiError> parse_ollama_chat(std::string_view body, const TextOf& text_of,
                                          OllamaRequest& request) {
    request.style.chat = true;
    return parse_request(body, kOllamaChat, text_of, request);
}

std::optional<ApiError> parse_ollama_generate(std::string_view body, const TextOf& text_of,
                                              OllamaRequest& request) {
    return parse_request(body, kOllamaGenerate, text_of, request);
}

std::optional<ApiError> parse_ollama_model(std::string_view body, OllamaModelRequest& request) {
    JsonDocument document;
    if (auto error = parse_object(body, document)) return error;
    FieldReader read(0);
    std::string name;
    for (const auto& [key, value] : document.root().members()) {
        if (value.is_null()) continue;
        const bool ok = key == "model"    ? read.string(key, value, request.model)
                        : key == "name"   ? read.string(key, value, name)
                        : key == "stream" ? read.boolean(key, value, request.stream)
                                          : true;
        if (!ok) return read.error;
    }
    if (request.model.empty()) request.model = std::move(name);
    if (request.model.empty()) return bad_request("model is required", "model");
    return std::nullopt;
}

}  // namespace qwend
