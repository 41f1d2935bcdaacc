#include "daemon/api/vectors/fields.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/api/schema.h"

namespace qwend {

namespace {

using Kinds = FieldKinds<VectorReader>;

constexpr size_t kMaxTexts = 1 << 16;  // of a request; what each may be long is the model's affair
constexpr int kMaxDimensions = 1 << 20;

/// A string, a list of strings, a list of token ids, or a list of lists of token ids.
bool read_inputs(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::vector<Prompt>& inputs = r.request.inputs;
    std::string text;
    if (v.get(text)) {
        inputs.emplace_back(std::move(text));
        return true;
    }
    if (!v.is_array()) return r.read.expected(at, "a string or a list", v);
    r.request.lists_inputs = true;
    for (const JsonValue element : v.elements()) {
        std::vector<int32_t> ids;
        if (inputs.empty() && element.is_number()) {
            r.request.lists_inputs = false;
            if (!r.read.token_ids(at, v, size_t(kMaxTokensLimit), ids)) return false;
            inputs.emplace_back(std::move(ids));
            return true;
        }
        if (inputs.size() == kMaxTexts)
            return r.read.fail(at, fmt::format("{}: expected at most {} texts", at, kMaxTexts));
        if (element.get(text))
            inputs.emplace_back(std::move(text));
        else if (r.read.token_ids(fmt::format("{}[{}]", at, inputs.size()), element,
                                  size_t(kMaxTokensLimit), ids))
            inputs.emplace_back(std::move(ids));
        else
            return false;
    }
    return true;
}

/// A text, or an object that has one, as rerankers' documents may be.
bool read_text(VectorReader& r, const std::string& at, const JsonValue& v, std::string& text) {
    if (v.get(text)) return true;
    const auto member = v.is_object() ? v.member("text") : std::nullopt;
    return (member && member->get(text)) || r.read.expected(at, "a string", v);
}

bool read_texts(VectorReader& r, const std::string& at, const JsonValue& v, std::string& field,
                std::vector<std::string>& texts) {
    field = at;
    if (!texts.empty())
        return r.read.fail(at, fmt::format("{}: these texts were given by another field too", at));
    if (!v.is_array()) return read_text(r, at, v, texts.emplace_back());
    for (const JsonValue element : v.elements()) {
        const std::string place = fmt::format("{}[{}]", at, texts.size());
        if (texts.size() == kMaxTexts)
            return r.read.fail(at, fmt::format("{}: expected at most {} texts", at, kMaxTexts));
        if (!read_text(r, place, element, texts.emplace_back())) return false;
    }
    return true;
}

bool read_queries(VectorReader& r, const std::string& at, const JsonValue& v) {
    return read_texts(r, at, v, r.request.queries_field, r.request.queries);
}

bool read_documents(VectorReader& r, const std::string& at, const JsonValue& v) {
    return read_texts(r, at, v, r.request.documents_field, r.request.documents);
}

/// text-embeddings-inference's name, which says how the answer is to look.
bool read_tei_texts(VectorReader& r, const std::string& at, const JsonValue& v) {
    r.request.is_tei = true;
    return v.is_array() ? read_documents(r, at, v) : r.read.expected(at, "an array of strings", v);
}

bool read_encoding(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::string name;
    if (!v.get(name) || (name != "float" && name != "base64"))
        return r.read.expected(at, R"("float" or "base64")", v);
    r.request.base64 = name == "base64";
    return true;
}

bool read_task(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::string& task = r.request.task;
    if (v.get(task) && (task == "embed" || task == "token_embed" || task == "classify" ||
                        task == "token_classify"))
        return true;
    return r.read.expected(at, R"("embed", "token_embed", "classify" or "token_classify")", v);
}

bool read_side(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::string side;
    if (!v.get(side) || (side != "left" && side != "right"))
        return r.read.expected(at, R"("left" or "right")", v);
    r.request.keeps_end = side == "left";
    return true;
}

/// text-embeddings-inference's way to say that what is too long is to be cut.
bool read_truncate(VectorReader& r, const std::string& at, const JsonValue& v) {
    bool cuts = false;
    if (!r.read.boolean(at, v, cuts)) return false;
    if (cuts) r.request.common.generation.truncate_prompt_tokens = kToContext;
    return true;
}

bool read_raw_scores(VectorReader& r, const std::string& at, const JsonValue& v) {
    bool is_raw = false;
    if (!r.read.boolean(at, v, is_raw)) return false;
    r.request.activates = !is_raw;
    return true;
}

bool read_return_text(VectorReader& r, const std::string& at, const JsonValue& v) {
    return r.read.boolean(at, v, r.request.returns_documents);
}

/// What the numbers of base64 are, which a client that asks for others would misread.
bool read_dtype(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::string name;
    return (v.get(name) && name == "float32") || r.read.unsupported(at, "they are float32");
}

bool read_endianness(VectorReader& r, const std::string& at, const JsonValue& v) {
    std::string name;
    return (v.get(name) && (name == "native" || name == "little")) ||
           r.read.unsupported(at, "they are little-endian");
}

const std::string kInputSchema = fmt::format(
    R"({{"anyOf":[{{"type":"string"}},{{"type":"array","items":{{"type":"string"}}}},{0},{1}]}})",
    array_schema(kIntegerSchema), array_schema(array_schema(kIntegerSchema)));
const std::string kTextSchema = any_of({kStringSchema, object_schema({{"text", kStringSchema}})});
const std::string kTextsSchema = any_of({kStringSchema, array_schema(kTextSchema)});

}  // namespace

const FieldTable<VectorReader>& vector_fields() {
    static const auto activates = [](unsigned scope) {
        return Kinds::boolean(scope, QWEND_INTO(request.activates.emplace()));
    };
    static const FieldTable<VectorReader> fields = {
        {"input", Kinds::with(kOfTexts, kInputSchema, read_inputs)},
        {"encoding_format",
         Kinds::with(kEmbeddings | kPooling, enum_schema({"float", "base64"}), read_encoding)},
        {"embed_dtype", Kinds::with(kEmbeddings | kPooling, enum_schema({"float32"}), read_dtype)},
        {"endianness",
         Kinds::with(kEmbeddings | kPooling, enum_schema({"native", "little"}), read_endianness)},
        {"dimensions",
         Kinds::integer(kEmbeddings | kPooling, 1, kMaxDimensions, QWEND_INTO(request.dimensions))},
        {"use_activation", activates(kAnyVectors)},
        {"activation", activates(kAnyVectors)},
        {"normalize", activates(kEmbeddings | kPooling)},
        {"task",
         Kinds::with(kPooling, enum_schema({"embed", "token_embed", "classify", "token_classify"}),
                     read_task)},
        {"prompt_name", Kinds::string(kEmbeddings, QWEND_INTO(request.prompt_name.emplace()))},
        {"truncation_side", Kinds::with(kAnyVectors, enum_schema({"left", "right"}), read_side)},
        {"truncate", Kinds::with(kAnyVectors, kBooleanSchema, read_truncate)},
        {"text_1", Kinds::with(kScore, kTextsSchema, read_queries)},
        {"queries", Kinds::with(kScore, kTextsSchema, read_queries)},
        {"data_1", Kinds::with(kScore, kTextsSchema, read_queries)},
        {"text_2", Kinds::with(kScore, kTextsSchema, read_documents)},
        {"items", Kinds::with(kScore, kTextsSchema, read_documents)},
        {"data_2", Kinds::with(kScore, kTextsSchema, read_documents)},
        {"documents", Kinds::with(kOfPairs, kTextsSchema, read_documents)},
        {"query", Kinds::with(kRerank, kTextSchema, read_queries)},
        {"texts", Kinds::with(kRerank, array_schema(kStringSchema), read_tei_texts)},
        {"top_n", Kinds::integer(kRerank, 0, INT32_MAX, QWEND_INTO(request.top_n))},
        {"max_tokens_per_doc",
         Kinds::integer(kRerank, 1, kMaxTokensLimit, QWEND_INTO(request.max_tokens_per_document))},
        {"return_documents", Kinds::boolean(kRerank, QWEND_INTO(request.returns_documents))},
        {"return_text", Kinds::with(kRerank, kBooleanSchema, read_return_text)},
        {"raw_scores", Kinds::with(kRerank, kBooleanSchema, read_raw_scores)},
    };
    return fields;
}

}  // namespace qwend
