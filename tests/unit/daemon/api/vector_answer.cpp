// What an answer holds and sends: long answers leave as they come, and no faster than they are
// read.

#include "daemon/api/vector_answer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/daemon/api/vectors/vectors_api.h"

using namespace qwend;

namespace {

constexpr int kInputs = 20'000;

/// So many one-token inputs that their answer is some megabytes.
std::string many_inputs() {
    std::string inputs;
    for (int i = 0; i < kInputs; i++) inputs += fmt::format("{}[{}]", i > 0 ? "," : "", i % 90);
    return fmt::format(R"({{"input":[{}]}})", inputs);
}

}  // namespace

TEST_CASE("vector_answer: a long one is sent in pieces, a short one with its length") {
    ServedApi served;
    served.run([&] {
        const std::string answer = served.post("/v1/embeddings", many_inputs());
        CHECK(has(answer, "Transfer-Encoding: chunked"));
        CHECK(has(answer, fmt::format(R"("index":{},)", kInputs - 1)));
        CHECK(has(answer, fmt::format(R"("usage":{{"prompt_tokens":{})", kInputs)));
        CHECK(has(served.post("/v1/embeddings", R"({"input":[5]})"), "Content-Length: "));
    });
}

TEST_CASE("vector_answer: who does not read gets no more computed") {
    ServedApi served;
    served.head = [](std::span<const float> vectors) {  // more than the kernel's buffers hold
        std::vector<float> wide;
        for (size_t at = 0; at < vectors.size(); at += FakeBackend::vector_size)
            wide.insert(wide.end(), 300, vectors[at] / 7);
        return wide;
    };
    served.run([&] {
        TestClient client(served.port);
        const int n_before = served.first().n_steps;
        ServedApi::send(client, "POST", "/v1/embeddings", many_inputs());
        int n_steps = -1;
        wait_for([&] {  // it comes to rest
            const int n = served.first().n_steps;
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            return n > n_before && std::exchange(n_steps, n) == n && served.first().n_steps == n;
        });
        CHECK(served.n_in_flight() == 1);
        const std::string answer = client.receive_all();
        CHECK(has(answer, fmt::format(R"("index":{},)", kInputs - 1)));
        CHECK(served.first().n_steps > n_steps);
    });
}

TEST_CASE("vector_answer: inputs of one text whose vectors are many end where they end") {
    ServedApi served;
    served.run([&] {
        const std::string answer =
            served.post("/pooling", R"({"input":[[1,2,3,4,5,6,7,8],[9]],"task":"token_embed",)"
                                    R"("use_activation":false})");
        CHECK(has(answer, fmt::format(R"("data":[{},{},)", numbers(fake_vector({1})),
                                      numbers(fake_vector({1, 2})))));
        CHECK(has(answer, fmt::format(R"({}]}},{{"index":1,"object":"pooling","data":[{}]}}])",
                                      numbers(fake_vector({1, 2, 3, 4, 5, 6, 7, 8})),
                                      numbers(fake_vector({9})))));
    });
}
