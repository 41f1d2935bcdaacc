#include "daemon/api/vectors/routes.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/api/openai/error.h"
#include "daemon/api/openai/rules.h"
#include "daemon/api/vectors/request.h"
#include "daemon/api/vectors/task.h"

namespace qwend {

namespace {

void start(const ApiContext& api, const ExchangePtr& exchange, unsigned scope) {
    api.vectors.start(
        exchange,
        [scope, limits = limits_of(api), id = exchange->request().request_id](
            std::string_view body, const ModelRegistry& models,
            ParsedVectors& parsed) -> std::optional<ApiError> {
            VectorRequest request;
            auto error = parse_vector_request(body, scope, rules_of(models, limits), request);
            parsed.n_unknown_fields = request.common.n_unknown_fields;
            parsed.unknown_fields = std::move(request.common.unknown_fields);
            if (error) return error;
            const ModelPtr model = models.find(request.common.style.model);
            return make_vector_task(std::move(request), scope, id, model, parsed.task);
        });
}

void post_embeddings(const ApiContext& api, const ExchangePtr& exchange) {
    start(api, exchange, kEmbeddings);
}

void post_classify(const ApiContext& api, const ExchangePtr& exchange) {
    start(api, exchange, kClassify);
}

void post_pooling(const ApiContext& api, const ExchangePtr& exchange) {
    start(api, exchange, kPooling);
}

void post_score(const ApiContext& api, const ExchangePtr& exchange) {
    start(api, exchange, kScore);
}

void post_rerank(const ApiContext& api, const ExchangePtr& exchange) {
    start(api, exchange, kRerank);
}

}  // namespace

std::vector<Route> vector_routes(const ApiContext& api) {
    const auto to = [&](auto handle) { return bind_route(api, handle); };
    const auto error = render_openai_error;
    std::vector<Route> routes = {
        {"POST",
         "/v1/embeddings",
         error,
         to(post_embeddings),
         kGenerates,
         {"createEmbedding", "Texts as vectors", "EmbeddingRequest", "Embeddings"}},
        {"POST",
         "/pooling",
         error,
         to(post_pooling),
         kGenerates,
         {"pool", "What a model says of texts, or of each of their tokens", "PoolingRequest",
          "Poolings"}},
    };
    // The same under every path that clients know.
    const auto add = [&](std::initializer_list<std::pair<std::string_view, std::string_view>> paths,
                         auto handle, RouteDescription description) {
        for (const auto& [path, name] : paths) {
            description.name = name;
            routes.push_back({"POST", path, error, to(handle), kGenerates, description});
        }
    };
    add({{"/classify", "classify"}, {"/v1/classify", "classifyV1"}}, post_classify,
        {"", "The labels of texts", "ClassifyRequest", "Classes"});
    add({{"/score", "score"}, {"/v1/score", "scoreV1"}}, post_score,
        {"", "How well texts go together", "ScoreRequest", "Scores"});
    add({{"/rerank", "rerank"}, {"/v1/rerank", "rerankV1"}, {"/v2/rerank", "rerankV2"}},
        post_rerank, {"", "Documents by how well they answer a query", "RerankRequest", "Ranking"});
    return routes;
}

}  // namespace qwend
