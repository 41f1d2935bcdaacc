#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/api/field_reader.h"
#include "daemon/api/ollama/request.h"
#include "daemon/api/unknown_fields.h"

namespace qwend {

/// Tokens no field may exceed, whatever the model.
inline constexpr int kMaxOllamaTokens = 1 << 24;

/// Reads fields of a request into it, as FieldReader does.
class OllamaReader {
  public:
    OllamaReader(const ModelText& model_text, OllamaRequest& read_into)
        : read(model_text.tokenizer.size()),
          text(model_text),
          request(read_into),
          generation(read_into.generation),
          style(read_into.style) {}

    bool messages(const JsonValue& value);
    bool tools(const JsonValue& value);
    bool options(const JsonValue& value);
    /// Refuses images, which no model here takes; an empty list of them is none.
    bool images(const std::string& param, const JsonValue& value);
    bool fail(ApiError error) {
        if (!read.error) read.error = std::move(error);
        return false;
    }
    void note_unknown(std::string_view name) {
        note_unknown_field(name, request.n_unknown_fields, request.unknown_fields);
    }

    FieldReader read;
    const ModelText& text;
    OllamaRequest& request;
    Generation& generation;  // the request's
    OllamaStyle& style;      // the request's
    OllamaPrompt prompt;     // of /api/generate
    // Fields whose meaning depends on others, settled once all are read.
    bool logprobs = false;
    int top_logprobs = 0;
    bool penalizes = true;  // repeat_last_n is not 0
    bool ignored = false;   // what is checked, and then changes nothing
    int64_t ignored_integer = 0;
    std::optional<double> keep_alive;  // s; negative: for ever
};

}  // namespace qwend
