#include "daemon/api/vectors/schemas.h"

#include <initializer_list>
#include <string>
#include <string_view>

#include "daemon/api/openai/fields.h"
#include "daemon/api/vectors/fields.h"

namespace qwend {

namespace {

std::string request(unsigned scope, std::initializer_list<std::string_view> required) {
    RequestSchema schema;
    add_fields(schema, request_fields(), kVectors);
    add_fields(schema, vector_fields(), scope);
    return schema.require(required).text();
}

std::string usage() {
    return object_schema({{"prompt_tokens", kIntegerSchema}, {"total_tokens", kIntegerSchema}});
}

std::string numbers() {
    return any_of({array_schema(kNumberSchema), kStringSchema});
}

std::string list_of(std::string_view element) {
    return object_schema({
        {"id", kStringSchema},
        {"object", enum_schema({"list"})},
        {"created", kIntegerSchema},
        {"model", kStringSchema},
        {"data", array_schema(element)},
        {"usage", usage()},
    });
}

std::string ranking() {
    const std::string text = object_schema({{"text", kStringSchema}});
    const std::string result = object_schema({
        {"index", kIntegerSchema},
        {"relevance_score", kNumberSchema},
        {"document?", text},
    });
    const std::string of_tei = object_schema({
        {"index", kIntegerSchema},
        {"score", kNumberSchema},
        {"text?", kStringSchema},
    });
    return any_of({object_schema({
                       {"id", kStringSchema},
                       {"model", kStringSchema},
                       {"results", array_schema(result)},
                       {"usage", usage()},
                   }),
                   array_schema(of_tei)});
}

}  // namespace

std::vector<NamedSchema> vector_schemas() {
    return {
        {"EmbeddingRequest", request(kEmbeddings, {})},
        {"ClassifyRequest", request(kClassify, {})},
        {"PoolingRequest", request(kPooling, {})},
        {"ScoreRequest", request(kScore, {})},
        {"RerankRequest", request(kRerank, {"query"})},
        {"Embeddings", list_of(object_schema({
                           {"object", enum_schema({"embedding"})},
                           {"index", kIntegerSchema},
                           {"embedding", numbers()},
                       }))},
        {"Classes", list_of(object_schema({
                        {"index", kIntegerSchema},
                        {"label", kStringSchema},
                        {"probs", array_schema(kNumberSchema)},
                        {"num_classes", kIntegerSchema},
                    }))},
        {"Poolings", list_of(object_schema({
                         {"index", kIntegerSchema},
                         {"object", enum_schema({"pooling"})},
                         {"data", any_of({numbers(), array_schema(numbers())})},
                     }))},
        {"Scores", list_of(object_schema({
                       {"index", kIntegerSchema},
                       {"object", enum_schema({"score"})},
                       {"score", kNumberSchema},
                   }))},
        {"Ranking", ranking()},
    };
}

}  // namespace qwend
