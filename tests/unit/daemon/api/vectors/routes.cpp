// The routes over HTTP, with the vectors that a FakeBackend makes.

#include "daemon/api/vectors/routes.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/unit/daemon/api/vectors/vectors_api.h"

using namespace qwend;

TEST_CASE("vector_routes: a chat model embeds, compares and ranks") {
    ServedApi served;
    served.run([&] {
        const std::string body = body_of(
            served.ask("POST", "/v1/embeddings", R"({"input":[[1,2],[3]],"use_activation":false})",
                       "X-Request-Id: header-1\r\n"));
        CHECK(body.starts_with(R"({"id":"header-1","object":"list","created":)"));
        CHECK(has(body, fmt::format(R"("embedding":{}}},)", numbers(fake_vector({1, 2})))));
        CHECK(has(body, R"("model":"first")"));
        for (const char* path : {"/rerank", "/v1/rerank", "/v2/rerank"})
            CHECK(has(served.post(path, R"({"query":"a","documents":["b","c"]})"),
                      R"("relevance_score":)"));
        for (const char* path : {"/score", "/v1/score"})
            CHECK(has(served.post(path, R"({"text_1":"a","text_2":"b"})"), R"("score":)"));
        for (const char* path : {"/classify", "/v1/classify"}) {
            const std::string answer = served.post(path, R"({"input":"a"})");
            CHECK(has(answer, "400 Bad Request"));
            CHECK(has(answer, "makes no classes"));
        }
        CHECK(has(served.post("/v1/embeddings", R"({"input":"a","model":"none"})"), "404 "));
        CHECK(has(served.post("/v1/embeddings", "{"), "400 "));
        CHECK(has(served.ask("GET", "/v1/embeddings"), "405 "));
    });
}

TEST_CASE("vector_routes: a classifier classifies, and generates nothing") {
    ServedApi served;
    make_classifier(served, 3);
    served.run([&] {
        CHECK(has(served.post("/classify", R"({"input":[[1,2]],"use_activation":false})"),
                  R"("label":"LABEL_2")"));
        CHECK(has(served.post("/pooling", R"({"input":[[1,2]]})"), R"("data":[)"));
        for (const char* path : {"/v1/embeddings", "/v1/rerank", "/score"}) {
            const std::string answer = served.post(
                path, std::string(path) == "/v1/embeddings" ? R"({"input":"a"})"
                      : std::string(path) == "/score"       ? R"({"text_1":"a","text_2":"b"})"
                                                            : R"({"query":"a","documents":["b"]})");
            CHECK(has(answer, "400 Bad Request"));
            CHECK(has(answer, "it classifies: POST /classify"));
        }
        const std::string chat =
            served.post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}]})");
        CHECK(has(chat, "400 Bad Request"));
        CHECK(has(chat, "makes no text"));
        CHECK(has(served.post("/api/embed", R"({"input":"a"})"), "does not support embedding"));
    });
}

TEST_CASE("vector_routes: one label is a score of a pair") {
    ServedApi served;
    make_classifier(served, 1);
    served.run([&] {
        CHECK(has(served.post("/v1/rerank", R"({"query":"a","documents":["b","c"],"top_n":1})"),
                  R"("relevance_score":)"));
        CHECK(has(served.post("/score", R"({"text_1":["a","b"],"text_2":["c","d"]})"),
                  R"({"index":1,"object":"score","score":)"));
    });
}
