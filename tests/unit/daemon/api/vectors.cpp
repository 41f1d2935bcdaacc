// Requests for vectors, over HTTP: many inputs, clients that go or do not read, and devices that
// fail.

#include "daemon/api/vectors.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/daemon/api/vectors/vectors_api.h"

using namespace qwend;

namespace {

constexpr const char* kRoute = "/pooling";

/// Of ids, so that each input's vector is known.
std::string asks(int n_inputs, int n_tokens = 3) {
    std::string inputs;
    for (int i = 0; i < n_inputs; i++) {
        std::vector<int32_t> ids(size_t(n_tokens), i % 90);
        inputs += fmt::format("{}[{}]", i > 0 ? "," : "", fmt::join(ids, ","));
    }
    return fmt::format(R"({{"input":[{}],"use_activation":false}})", inputs);
}

std::string expected_data(int n_inputs, int n_tokens = 3) {
    std::string data;
    for (int i = 0; i < n_inputs; i++)
        data += fmt::format(R"({}{{"index":{},"object":"pooling","data":{}}})", i > 0 ? "," : "", i,
                            numbers(fake_vector(std::vector<int32_t>(size_t(n_tokens), i % 90))));
    return data;
}

}  // namespace

TEST_CASE("vectors: more inputs than the queue holds, in their order") {
    ServedApi served;
    served.engine_options.max_queue = 3;
    served.run([&] {
        for (const int n : {1, 7, 8, 200}) {
            CAPTURE(n);
            const std::string answer = served.post(kRoute, asks(n));
            CHECK(has(answer, "200 OK"));
            CHECK(has(answer, fmt::format(R"("data":[{}],"usage":{{"prompt_tokens":{},)",
                                          expected_data(n), 3 * n)));
        }
        CHECK(served.n_in_flight() == 0);
    });
}

TEST_CASE("vectors: several requests at once, and answers beside them") {
    ServedApi served;
    served.run([&] {
        std::vector<std::unique_ptr<TestClient>> clients;
        for (int i = 0; i < 6; i++) {
            clients.push_back(std::make_unique<TestClient>(served.port));
            ServedApi::send(*clients.back(), "POST", kRoute, asks(20 + i));
        }
        const std::string body = R"({"prompt":[5,6,7],"max_tokens":9,"seed":1})";
        const std::string text = served.post("/v1/completions", body);
        CHECK(has(text, "200 OK"));
        for (int i = 0; i < 6; i++)
            CHECK(has(clients[size_t(i)]->receive_all(), expected_data(20 + i)));
    });
}

TEST_CASE("vectors: a client that goes leaves nothing behind") {
    ServedApi served;
    served.run([&] {
        served.first().gate.allow(0);
        {
            TestClient client(served.port);
            ServedApi::send(client, "POST", kRoute, asks(50));
            wait_for([&] { return served.n_in_flight() == 1; });
        }
        wait_for([&] { return served.n_in_flight() == 0; });
        served.first().gate.allow(Gate::all);
        CHECK(has(served.post(kRoute, asks(2)), expected_data(2)));
    });
}

TEST_CASE("vectors: a device that fails is a status before the answer has begun") {
    ServedApi served;
    served.run([&] {
        served.first().fail_at_step = served.first().n_steps + 1;
        const std::string answer = served.post(kRoute, asks(40));
        CHECK(has(answer, "503 "));
        CHECK(has(answer, "gpu_failed"));
    });
}

TEST_CASE("vectors: a full queue is a 429, and what is long is cut off at the end of the process") {
    ServedApi served;
    served.engine_options.max_queue = 1;
    served.run([&] {
        served.first().gate.allow(0);
        TestClient first(served.port);
        ServedApi::send(first, "POST", kRoute, asks(50));
        wait_for([&] {
            bool has_room = true;
            served.on_loop([&] { has_room = served.first().model->engine.has_room(1); });
            return !has_room;
        });
        CHECK(has(served.post(kRoute, asks(1)), "429 "));
        served.on_loop([&] { served.api->abort_all(); });
        CHECK(has(first.receive_all(), "503 "));
        served.first().gate.allow(Gate::all);
    });
}

TEST_CASE("vectors: a device without them says so") {
    ServedApi served;
    served.info.max_vectors = 0;
    served.run([&] {
        const std::string answer = served.post(kRoute, asks(1));
        CHECK(has(answer, "400 Bad Request"));
        CHECK(has(answer, "makes no vectors of texts"));
    });
}
