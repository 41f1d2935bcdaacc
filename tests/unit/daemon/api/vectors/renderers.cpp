#include "daemon/api/vectors/renderers.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace qwend;

namespace {

/// What a renderer makes of inputs, each a list of vectors.
std::string render(std::unique_ptr<VectorRenderer> renderer,
                   const std::vector<std::vector<std::vector<float>>>& inputs) {
    std::string out;
    for (const auto& vectors : inputs) {
        for (const auto& vector : vectors) renderer->add(vector, out);
        renderer->end_input(out);
    }
    while (renderer->finish(7, out)) {
    }
    const size_t at = out.find("\"created\":");
    if (at != std::string::npos) out.erase(at, out.find(',', at) + 1 - at);
    return out;
}

VectorStyle style() {
    VectorStyle style;
    style.model = "m", style.id = "i", style.size = 2, style.normalizes = false;
    return style;
}

const std::string kUsage = R"("usage":{"prompt_tokens":7,"total_tokens":7})";

std::string list(const std::string& data) {
    return R"({"id":"i","object":"list","model":"m","data":[)" + data + "]," + kUsage + "}";
}

}  // namespace

TEST_CASE("vector renderers: embeddings, cut and of length 1") {
    CHECK(render(embeddings_renderer(style()), {}) == list(""));
    CHECK(render(embeddings_renderer(style()), {{{3, 4}}, {{0.5, -1}}}) ==
          list(R"({"object":"embedding","index":0,"embedding":[3,4]},)"
               R"({"object":"embedding","index":1,"embedding":[0.5,-1]})"));
    VectorStyle cut = style();
    cut.normalizes = true;
    CHECK(render(embeddings_renderer(cut), {{{3, 4}}}) ==
          list(R"({"object":"embedding","index":0,"embedding":[0.6,0.8]})"));
    cut.dimensions = 1;
    CHECK(render(embeddings_renderer(cut), {{{3, 4}}}) ==
          list(R"({"object":"embedding","index":0,"embedding":[1]})"));
    cut.base64 = true;
    CHECK(render(embeddings_renderer(cut), {{{3, 4}}}) ==
          list(R"({"object":"embedding","index":0,"embedding":"AACAPw=="})"));
}

TEST_CASE("vector renderers: classes, by their names or numbers") {
    VectorStyle named = style();
    named.labels = {"bad", "good"};
    CHECK(render(classify_renderer(named), {{{1, 2}}}) ==
          list(R"({"index":0,"label":"good","probs":[1,2],"num_classes":2})"));
    named.activation = ScoreActivation::softmax, named.labels = {"bad"};
    CHECK(render(classify_renderer(named), {{{0, 1000}}}) ==
          list(R"({"index":0,"label":"LABEL_1","probs":[0,1],"num_classes":2})"));
}

TEST_CASE("vector renderers: what pooling gave, a vector or a list of them") {
    CHECK(render(pooling_renderer(style(), false), {{{3, 4}}, {{5, 6}}}) ==
          list(R"({"index":0,"object":"pooling","data":[3,4]},)"
               R"({"index":1,"object":"pooling","data":[5,6]})"));
    CHECK(render(pooling_renderer(style(), true), {{{3, 4}, {1, 2}}, {}, {{5, 6}}}) ==
          list(R"({"index":0,"object":"pooling","data":[[3,4],[1,2]]},)"
               R"({"index":1,"object":"pooling","data":[]},)"
               R"({"index":2,"object":"pooling","data":[[5,6]]})"));
}

TEST_CASE("vector renderers: scores of pairs, compared or of one input each") {
    VectorStyle pairs = style();
    CHECK(render(score_renderer(pairs), {{{0.5}}, {{0.25}}}) ==
          list(R"({"index":0,"object":"score","score":0.5},)"
               R"({"index":1,"object":"score","score":0.25})"));
    pairs.compares = true, pairs.n_queries = 1;
    CHECK(render(score_renderer(pairs), {{{1, 0}}, {{2, 0}}, {{0, 3}}}) ==
          list(R"({"index":0,"object":"score","score":1},)"
               R"({"index":1,"object":"score","score":0})"));
    pairs.n_queries = 2;
    CHECK(render(score_renderer(pairs), {{{1, 0}}, {{2, 0}}, {{0, 1}}, {{0, -3}}}) ==
          list(R"({"index":0,"object":"score","score":1},)"
               R"({"index":1,"object":"score","score":-1})"));
}

TEST_CASE("vector renderers: the best documents first, equal ones in their order") {
    VectorStyle ranked = style();
    ranked.documents = {"a", "b", "c"};
    CHECK(render(rerank_renderer(ranked), {{{0.25}}, {{0.5}}, {{0.5}}}) ==
          R"({"id":"i","model":"m",)" + kUsage +
              R"(,"results":[{"index":1,"relevance_score":0.5,"document":{"text":"b"}},)"
              R"({"index":2,"relevance_score":0.5,"document":{"text":"c"}},)"
              R"({"index":0,"relevance_score":0.25,"document":{"text":"a"}}]})");
    ranked.top_n = 1, ranked.is_tei = true;
    CHECK(render(rerank_renderer(ranked), {{{0.25}}, {{0.5}}}) ==
          R"([{"index":1,"score":0.5,"text":"b"}])");
    ranked.documents.clear();
    CHECK(render(rerank_renderer(ranked), {{{0.25}}, {{0.5}}}) == R"([{"index":1,"score":0.5}])");
    CHECK(render(rerank_renderer(ranked), {}) == "[]");
}

TEST_CASE("vector renderers: many documents are written part by part") {
    VectorStyle ranked = style();
    ranked.documents.assign(1000, std::string(1000, 'x'));
    const auto renderer = rerank_renderer(ranked);
    std::string out;
    for (int i = 0; i < 1000; i++) renderer->add({float(i)}, out);
    int n_parts = 1;
    for (size_t before = 0; renderer->finish(7, out); n_parts++) {
        CHECK(out.size() - before < (70 << 10));
        before = out.size();
    }
    CHECK(n_parts > 10);
    CHECK(out.ends_with("]}"));
}
