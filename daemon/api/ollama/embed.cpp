#include "daemon/api/ollama/embed.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/api/field.h"
#include "daemon/api/field_reader.h"
#include "daemon/api/json_writer.h"
#include "daemon/api/ollama/error.h"
#include "daemon/api/request_body.h"
#include "daemon/api/unknown_fields.h"
#include "daemon/api/vector_inputs.h"
#include "daemon/api/vector_task.h"
#include "daemon/api/vector_values.h"
#include "net/clock.h"

namespace qwend {

namespace {

enum EmbedScope : unsigned { kEmbed = 1, kOneEmbedding = 2, kBothEmbeds = 3 };

constexpr size_t kMaxTexts = 1 << 16;
constexpr int kMaxDimensions = 1 << 20;

/// What a body says, field by field.
struct EmbedReader {
    FieldReader read{0};
    std::string model;
    std::vector<std::string> texts;
    bool truncates = true;
    std::optional<int> dimensions;

    bool input(const JsonValue& v) {
        std::string text;
        if (v.get(text)) {
            if (!text.empty()) texts.push_back(std::move(text));
            return true;
        }
        if (!v.is_array()) return read.expected("input", "a string or a list of strings", v);
        for (const JsonValue element : v.elements()) {
            const std::string at = fmt::format("input[{}]", texts.size());
            if (texts.size() == kMaxTexts)
                return read.fail("input", fmt::format("input: expected at most {}", kMaxTexts));
            if (!read.string(at, element, texts.emplace_back())) return false;
        }
        return true;
    }
    /// Of sampling and of loading, which neither is here.
    bool options(const JsonValue& v) {
        return v.is_object() || read.expected("options", "an object", v);
    }
    bool prompt(const JsonValue& v) {
        std::string text;
        if (!read.string("prompt", v, text)) return false;
        if (!text.empty()) texts.push_back(std::move(text));
        return true;
    }
};

const FieldTable<EmbedReader>& embed_fields() {
    using Kinds = FieldKinds<EmbedReader>;
    static const FieldTable<EmbedReader> fields = {
        {"model", Kinds::string(kBothEmbeds, QWEND_INTO(model))},
        {"input", Kinds::with(kEmbed, any_of({kStringSchema, array_schema(kStringSchema)}),
                              &EmbedReader::input)},
        {"prompt", Kinds::with(kOneEmbedding, kStringSchema, &EmbedReader::prompt)},
        {"truncate", Kinds::boolean(kEmbed, QWEND_INTO(truncates))},
        {"dimensions", Kinds::integer(kEmbed, 0, kMaxDimensions, QWEND_INTO(dimensions.emplace()))},
        {"options", Kinds::with(kBothEmbeds, kObjectSchema, &EmbedReader::options)},
        {"keep_alive", Kinds::ignored(kBothEmbeds)},
    };
    return fields;
}

class EmbedRenderer final : public VectorRenderer {
  public:
    EmbedRenderer(std::string model, std::optional<int> dimensions, double arrived)
        : model_(std::move(model)), dimensions_(dimensions), arrived_(arrived) {}

    void add(std::vector<float> vector, std::string& out) override {
        open(out);
        if (n_++ > 0) out += ',';
        cut(vector, dimensions_);
        normalize(vector);
        append_numbers(out, vector);
    }
    bool finish(int64_t n_tokens, std::string& out) override {
        open(out);
        out += ']';
        const auto nanoseconds = int64_t((steady_seconds() - arrived_) * 1e9);
        if (n_ > 0)
            fmt::format_to(std::back_inserter(out),
                           R"(,"total_duration":{},"load_duration":1,"prompt_eval_count":{})",
                           nanoseconds, n_tokens);
        out += '}';
        return false;
    }

  private:
    void open(std::string& out) {
        if (std::exchange(is_open_, true)) return;
        JsonWriter w;
        w.begin_object().key("model").string(model_).key("embeddings").begin_array();
        out += w.take();
    }

    const std::string model_;
    const std::optional<int> dimensions_;
    const double arrived_;
    bool is_open_ = false;
    size_t n_ = 0;
};

class OneEmbeddingRenderer final : public VectorRenderer {
  public:
    void add(std::vector<float> vector, std::string&) override { vector_ = std::move(vector); }
    bool finish(int64_t, std::string& out) override {
        out += R"({"embedding":)";
        append_numbers(out, vector_);
        out += '}';
        return false;
    }

  private:
    std::vector<float> vector_;
};

std::optional<ApiError> read_body(std::string_view body, unsigned scope, EmbedReader& r,
                                  ParsedVectors& parsed) {
    JsonDocument document;
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return bad_request("missing request body");
    if (auto error = parse_json_object(body, document)) return error;
    for (const auto& [name, value] : document.root().members()) {
        const auto* field = find_field(embed_fields(), name, scope);
        if (!field)
            note_unknown_field(name, parsed.n_unknown_fields, parsed.unknown_fields);
        else if (!value.is_null() && !field->read(r, name, value))
            return r.read.error;
    }
    return std::nullopt;
}

/// The texts as a task without its renderer.
std::optional<ApiError> encode(const EmbedReader& r, const ModelPtr& model, const char* field,
                               VectorTask& task) {
    if (!model) return ollama_model_not_found(r.model);
    const ModelText& text = *model->text;
    const std::string& name = r.model.empty() ? text.names[0] : r.model;
    if (vector_kind(text.config) != VectorKind::embedding)
        return ollama_not_capable(name, "embedding");
    InputOptions options;
    if (r.truncates) options.truncate_prompt_tokens = kToContext;
    InputEncoder encoder(text, model->context_limit(), options);
    for (size_t i = 0; i < r.texts.size(); i++)
        if (!encoder.add(r.texts[i], fmt::format("{}[{}]", field, i))) return encoder.error();
    task.model = model;
    task.inputs = encoder.take();
    task.pooling = text.embedder.pooling;
    return std::nullopt;
}

}  // namespace

std::optional<ApiError> parse_ollama_embed(std::string_view body, const ModelRegistry& models,
                                           double arrived, ParsedVectors& parsed) {
    EmbedReader r;
    if (auto error = read_body(body, kEmbed, r, parsed)) return error;
    const ModelPtr model = models.find(r.model);
    if (auto error = encode(r, model, "input", parsed.task)) return error;
    if (r.dimensions == 0) r.dimensions.reset();  // Ollama's way to say "all"
    const std::string name = r.model.empty() ? tagged_name(model->text->names[0]) : r.model;
    parsed.task.renderer = std::make_unique<EmbedRenderer>(name, r.dimensions, arrived);
    return std::nullopt;
}

std::optional<ApiError> parse_ollama_embeddings(std::string_view body, const ModelRegistry& models,
                                                ParsedVectors& parsed) {
    EmbedReader r;
    if (auto error = read_body(body, kOneEmbedding, r, parsed)) return error;
    if (auto error = encode(r, models.find(r.model), "prompt", parsed.task)) return error;
    parsed.task.renderer = std::make_unique<OneEmbeddingRenderer>();
    return std::nullopt;
}

std::vector<NamedSchema> ollama_embed_schemas() {
    const auto request = [](unsigned scope) {
        RequestSchema schema;
        add_fields(schema, embed_fields(), scope);
        return schema.text();
    };
    const std::string vector = array_schema(kNumberSchema);
    return {
        {"OllamaEmbedRequest", request(kEmbed)},
        {"OllamaEmbeddingsRequest", request(kOneEmbedding)},
        {"OllamaEmbed", object_schema({
                            {"model", kStringSchema},
                            {"embeddings", array_schema(vector)},
                            {"total_duration?", kIntegerSchema},
                            {"load_duration?", kIntegerSchema},
                            {"prompt_eval_count?", kIntegerSchema},
                        })},
        {"OllamaEmbedding", object_schema({{"embedding", vector}})},
    };
}

}  // namespace qwend
