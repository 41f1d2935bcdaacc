// Ollama's two routes for vectors.

#include "daemon/api/ollama/embed.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tests/unit/daemon/api/vectors/vectors_api.h"

using namespace qwend;

TEST_CASE("ollama_embed: vectors of length 1, or as they are") {
    ServedApi served;
    served.run([&] {
        const auto ids = demo_text()->tokenizer.encode_with_added_tokens("hello");
        const std::vector<float> raw = fake_vector(ids);
        CHECK(body_of(served.post("/api/embeddings", R"({"model":"first","prompt":"hello"})")) ==
              "{\"embedding\":" + numbers(raw) + "}");
        std::vector<float> one = raw;
        const float length = std::hypot(raw[0], raw[1]);
        const std::string answer = body_of(
            served.post("/api/embed", R"({"model":"first","input":["hello","x"],"options":{}})"));
        CHECK(answer.starts_with(R"({"model":"first","embeddings":[[)"));
        CHECK(std::stof(answer.substr(answer.find("[[") + 2)) == doctest::Approx(raw[0] / length));
        CHECK(has(answer, R"("prompt_eval_count":)"));
        CHECK(has(answer, R"("total_duration":)"));
        CHECK(has(served.post("/api/embed", R"({"input":"hello","dimensions":1})"),
                  raw[0] < 0 ? "[[-1]]" : "[[1]]"));
    });
}

TEST_CASE("ollama_embed: nothing is no error, and what is too long is cut unless it may not be") {
    ServedApi served;
    served.run([&] {
        for (const char* body : {R"({"input":""})", R"({"input":[]})", R"({})"})
            CHECK(has(served.post("/api/embed", body), R"("embeddings":[]})"));
        CHECK(body_of(served.post("/api/embeddings", R"({"prompt":""})")) == R"({"embedding":[]})");
        std::string text;
        for (int i = 0; i < 3000; i++) text += " hello";
        CHECK(has(served.post("/api/embed", R"({"input":")" + text + R"("})"), "200 OK"));
        const std::string refused =
            served.post("/api/embed", R"({"truncate":false,"input":")" + text + R"("})");
        CHECK(has(refused, "400 Bad Request"));
        CHECK(has(refused, "maximum context length"));
    });
}

TEST_CASE("ollama_embed: errors have the form of the dialect") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.post("/api/embed", R"({"model":"other","input":"a"})"),
                  R"({"error":"model 'other' not found"})"));
        CHECK(has(served.post("/api/embed", ""), "missing request body"));
        CHECK(
            has(served.post("/api/embed", R"({"input":[1]})"), R"({"error":"input[0]: expected)"));
        CHECK(has(served.post("/api/embed", R"({"input":7})"), R"({"error":"input: expected)"));
        CHECK(has(served.post("/api/embeddings", R"({"prompt":7})"), R"({"error":"prompt:)"));
    });
}
