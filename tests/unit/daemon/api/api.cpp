// The routes as clients meet them, with an engine whose backend is made up.

#include "daemon/api/api.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

int status_of(const std::string& answer) {
    return answer.size() > 12 ? std::stoi(answer.substr(9, 3)) : 0;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

constexpr const char* kBody = R"({"prompt":[1,2,3],"max_tokens":4,"seed":7})";

}  // namespace

TEST_CASE("api: what is not there, not offered, not JSON") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.ask("GET", "/nothing"), "404 Not Found"));
        CHECK(has(served.ask("GET", "/nothing"),
                  R"({"error":{"message":"no such route: /nothing","type":"not_found_error",)"
                  R"("param":null,"code":null}})"));
        const std::string wrong = served.ask("DELETE", "/v1/models");
        CHECK(status_of(wrong) == 405);
        CHECK(has(wrong, "Allow: GET, HEAD\r\n"));
        CHECK(has(served.ask("GET", "/v1/completions"), "Allow: POST\r\n"));
        CHECK(status_of(served.ask("POST", "/tokenize", "{}", "Content-Type: text/plain\r\n")) ==
              415);
        CHECK(status_of(served.ask("POST", "/tokenize", "{}", "Content-Encoding: gzip\r\n")) ==
              415);
        CHECK(status_of(served.ask("POST", "/v1/completions", "{")) == 400);
        const std::string head = served.ask("HEAD", "/v1/models");
        CHECK(status_of(head) == 200);
        CHECK(head.ends_with("\r\n\r\n"));
        CHECK(status_of(served.ask("OPTIONS", "/v1/models")) == 405);  // without cors-origins
    });
}

TEST_CASE("api: keys are asked for on every route but those that watch the process") {
    ServedApi served;
    served.keys = {"secret"};
    served.names = {{"name-of-ours"}};
    served.run([&] {
        for (const char* path : {"/status", "/version", "/metrics", "/v1/models", "/nothing"}) {
            CAPTURE(path);
            const std::string refused = served.ask("GET", path);
            CHECK(status_of(refused) == 401);
            CHECK(has(refused, "WWW-Authenticate: Bearer"));
            CHECK(status_of(served.ask("GET", path, {}, "Authorization: Bearer other\r\n")) == 401);
            CHECK(status_of(served.ask("GET", path, {}, "Authorization: Bearer secret\r\n")) ==
                  (path == std::string("/nothing") ? 404 : 200));
        }
        // The page asks for the key, and tells nothing without one.
        for (const char* path : {"/", "/livez", "/health"})
            CHECK(status_of(served.ask("GET", path)) == 200);
        CHECK_FALSE(has(served.ask("GET", "/"), "name-of-ours"));
        CHECK(status_of(served.post("/v1/completions", kBody)) == 401);
        served.on_loop([&] { served.api->set_api_keys({"new"}); });
        CHECK(status_of(served.ask("GET", "/version", {}, "X-Api-Key: new\r\n")) == 200);
        CHECK(status_of(served.ask("GET", "/version", {}, "X-Api-Key: secret\r\n")) == 401);
    });
}

TEST_CASE("api: a page of another origin is told what it may") {
    ServedApi served;
    served.options.cors_origins = {"https://page"};
    served.run([&] {
        const std::string preflight =
            served.ask("OPTIONS", "/v1/completions", {}, "Origin: https://page\r\n");
        CHECK(status_of(preflight) == 204);
        CHECK(has(preflight, "Access-Control-Allow-Methods: POST\r\n"));
        CHECK(has(preflight, "Access-Control-Allow-Origin: https://page\r\n"));
        CHECK_FALSE(has(served.ask("OPTIONS", "/v1/completions", {}, "Origin: https://b\r\n"),
                        "Allow-Origin"));
        CHECK(status_of(served.ask("OPTIONS", "/nothing")) == 404);
    });
}

TEST_CASE("api: says whether it can answer, and why it cannot") {
    ServedApi served;
    served.run(
        [&] {
            auto check = [&](int status, const std::string& state) {
                CAPTURE(state);
                const std::string health = served.ask("GET", "/health");
                CHECK(status_of(health) == status);
                CHECK(has(health, "{\"status\":\"" + state + "\"}"));
                CHECK(status_of(served.ask("GET", "/livez")) == 200);
                CHECK(has(served.ask("GET", "/status"), "{\"state\":\"" + state + "\","));
                const std::string answer = served.post("/v1/completions", kBody);
                CHECK(status_of(answer) == status);
                if (status == 200) return;
                CHECK(has(health, "Retry-After: 1\r\n"));
                CHECK(has(answer, "Retry-After: 1\r\n"));
                CHECK(has(answer, "\"type\":\"unavailable_error\",\"param\":null,\"code\":\"" +
                                      state + "\""));
            };
            check(503, "loading");
            CHECK(status_of(served.post("/tokenize", R"({"prompt":"a"})")) == 200);
            served.first().load_gate.allow(Gate::all);
            served.wait_until_ready();
            check(200, "ready");
            served.on_loop([&] { served.api->start_draining(); });
            check(503, "draining");
            served.first().fail_at_step = served.first().n_steps.load();
            served.on_loop([&] {
                std::vector<GenerationRequest> requests = {make_request(1 << 20, {1}, 1)};
                CHECK(served.first().model->engine.submit(std::move(requests)));
            });
            wait_for([&] { return has(served.ask("GET", "/health"), "gpu_failed"); });
            check(503, "gpu_failed");  // which is worse
        },
        true);
}

TEST_CASE("api: models by their names") {
    ServedApi served;
    served.names = {{"first", "alias"}, {"other"}};
    served.run([&] {
        const std::string list = served.ask("GET", "/v1/models");
        for (const char* name : {"first", "alias", "other"}) {
            CHECK(has(list, fmt::format("{{\"id\":\"{}\",\"object\":\"model\"", name)));
            CHECK(
                has(served.ask("GET", fmt::format("/v1/models/{}", name)),
                    fmt::format("\"root\":\"{}\"", name == std::string("alias") ? "first" : name)));
        }
        CHECK(has(served.ask("GET", "/v1/models/no%20one"),
                  "no model \\\"no one\\\" is served here"));
        const auto ask = [&](const std::string& member) {
            return served.post("/v1/completions",
                               R"({"prompt":[1,2,3],"max_tokens":4,"seed":7)" + member + "}");
        };
        CHECK(has(ask(""), "\"model\":\"first\""));
        CHECK(has(ask(R"(,"model":"alias")"), "\"model\":\"alias\""));
        const Counter& tokens = served.models[1]->model->metrics.generation_tokens;
        CHECK(tokens.value() == 0);
        CHECK(has(ask(R"(,"model":"other")"), "\"model\":\"other\""));
        CHECK(tokens.value() == 4);
        const std::string unknown = ask(R"(,"model":"none")");
        CHECK(status_of(unknown) == 404);
        CHECK(has(unknown, "\"param\":\"model\",\"code\":\"model_not_found\""));
        // What is wrong with a field is said first, as long as the body is being read.
        CHECK(status_of(ask(R"(,"model":"none","top_p":2)")) == 400);
        const std::string text = served.ask("GET", "/metrics");
        CHECK(has(text, "generation_tokens_total{model_name=\"first\"} 8\n"));
        CHECK(has(text, "generation_tokens_total{model_name=\"other\"} 4\n"));
    });
}

TEST_CASE("api: requests are counted by their route, however they end") {
    ServedApi served;
    served.options.max_body = 100;
    served.run([&] {
        served.post("/v1/completions", kBody);
        served.post("/v1/completions", std::string(101, ' '));
        served.ask("GET", "/v1/models/a");
        served.ask("GET", "/v1/models/b");
        served.ask("PUT", "/v1/models");
        served.ask("GET", "/made/up");
        {
            TestClient client(served.port);  // its headers never come
            client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
            client.receive_all();
        }
        served.on_loop([&] {
            const auto count = [&](const char* route, const char* method, const char* status) {
                const auto found = served.metrics.http_requests.find({route, method, status});
                return found == served.metrics.http_requests.end() ? 0 : int(found->second);
            };
            CHECK(count("/v1/completions", "POST", "200") == 1);
            CHECK(count("/v1/completions", "POST", "413") == 1);
            CHECK(count("/v1/completions", "POST", "400") == 1);
            CHECK(count("/v1/models/*", "GET", "404") == 2);
            CHECK(count("other", "other", "405") == 1);
            CHECK(count("other", "other", "404") == 1);
        });
    });
}
