// Ollama's routes, over HTTP.

#include "daemon/api/ollama/routes.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

}  // namespace

TEST_CASE("ollama_routes: a body is JSON whatever its type is called") {
    ServedApi served;
    served.run([&] {
        for (const char* type : {"text/plain;charset=UTF-8", "application/octet-stream"}) {
            CAPTURE(type);
            const std::string header = fmt::format("Content-Type: {}\r\n", type);
            for (const char* path : {"/api/chat", "/api/generate", "/api/show"})
                CHECK(has(served.ask("POST", path, R"({"model":"first"})", header), "200 OK"));
            CHECK(has(served.ask("POST", "/api/copy", "{}", header), "is not offered by qwend"));
            CHECK(has(served.ask("POST", "/v1/completions", "{}", header), "415 "));
        }
        CHECK(has(served.ask("POST", "/api/chat", "{}", "Content-Encoding: gzip\r\n"), "415 "));
    });
}

TEST_CASE("ollama_routes: a chat by any of a model's names, which the answer repeats") {
    ServedApi served;
    served.run([&] {
        for (const char* name : {"first", "first:latest", "alias", "alias:latest"}) {
            const std::string answer =
                served.post("/api/chat", fmt::format(R"({{"model":"{}","stream":false,"messages":[)"
                                                     R"({{"role":"user","content":"hi"}}],)"
                                                     R"("options":{{"num_predict":2}}}})",
                                                     name));
            CHECK(has(answer, "200 OK"));
            CHECK(has(answer, "Content-Type: application/json\r\n"));
            CHECK(has(body_of(answer), fmt::format(R"({{"model":"{}",)", name)));
            CHECK(has(answer, R"("eval_count":2,)"));
        }
        CHECK(has(served.post("/api/chat", R"({"messages":[]})"), R"({"model":"first:latest",)"));
    });
}

TEST_CASE("ollama_routes: a stream unless the body says no, in lines that are all JSON") {
    ServedApi served;
    served.run([&] {
        const std::string answer =
            served.post("/api/generate", R"({"model":"first","prompt":"a","raw":true,)"
                                         R"("options":{"num_predict":3}})");
        CHECK(has(answer, "Content-Type: application/x-ndjson\r\n"));
        CHECK(has(answer, R"("done":false})"));
        CHECK(has(answer, R"("done_reason":"length")"));
        CHECK_FALSE(has(body_of(answer), "context"));
        CHECK_FALSE(has(body_of(answer), "\n\n"));
    });
}

TEST_CASE("ollama_routes: num_predict may be more than the context holds, a prompt may not") {
    ServedApi served;
    served.run([&] {
        const std::string answer = served.post(
            "/api/generate", R"({"prompt":"a","stream":false,"options":{"num_predict":100000}})");
        CHECK(has(answer, R"("done_reason":"length")"));
        std::string prompt;
        for (int i = 0; i < 2000; i++) prompt += " word";
        const std::string refused = served.post("/api/generate", "{\"prompt\":\"" + prompt + "\"}");
        CHECK(has(refused, "400 Bad Request"));
        CHECK(has(refused, R"({"error":"prompt is too long: )"));
        CHECK(has(refused, "tokens > 1023 maximum"));
    });
}

TEST_CASE("ollama_routes: lists and versions, and their heads") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.ask("GET", "/api/tags"), R"({"models":[{"name":"first:latest",)"));
        CHECK(has(served.ask("GET", "/api/tags"), R"("name":"alias:latest")"));
        CHECK(has(served.ask("GET", "/api/ps"), R"("expires_at":"2300)"));
        CHECK(body_of(served.ask("GET", "/api/version")) == R"({"version":"0.14.0"})");
        for (const char* path : {"/api/tags", "/api/version", "/api/ps", "/"}) {
            const std::string head = served.ask("HEAD", path);
            CHECK(has(head, "200 OK"));
            CHECK(body_of(head).empty());
        }
    });
}

TEST_CASE("ollama_routes: a description, and a pull of what is there") {
    ServedApi served;
    served.run([&] {
        for (const char* field : {"model", "name"}) {
            const auto body = [&](const char* name, const char* more = "") {
                return fmt::format(R"({{"{}":"{}"{}}})", field, name, more);
            };
            CHECK(has(served.post("/api/show", body("first:latest")), R"("capabilities":[)"));
            CHECK(has(served.post("/api/show", body("other")), "404 Not Found"));
            CHECK(has(served.post("/api/show", body("other")),
                      R"({"error":"model 'other' not found"})"));
            const std::string lines = served.post("/api/pull", body("first"));
            CHECK(has(lines, "Content-Type: application/x-ndjson\r\n"));
            CHECK(body_of(lines) == "{\"status\":\"success\"}\n");
            const std::string whole = served.post("/api/pull", body("first", ",\"stream\":false"));
            CHECK(has(whole, "Content-Type: application/json\r\n"));
            CHECK(body_of(whole) == "{\"status\":\"success\"}");
            CHECK(has(served.post("/api/pull", body("other")), "404 Not Found"));
            CHECK(has(served.post("/api/pull", body("other")), "--model"));
        }
        CHECK(has(served.post("/api/show", "{}"), "model is required"));
    });
}

TEST_CASE("ollama_routes: what is not offered says so, and what to do instead") {
    ServedApi served;
    served.run([&] {
        for (const char* path : {"/api/push", "/api/create", "/api/copy"}) {
            const std::string answer = served.post(path, R"({"model":"first"})");
            CHECK(has(answer, "400 Bad Request"));
            CHECK(has(answer, fmt::format(R"({{"error":"{} is not offered by qwend: )", path)));
        }
        CHECK(has(served.ask("DELETE", "/api/delete", R"({"model":"first"})"), "400 Bad Request"));
    });
}

TEST_CASE("ollama_routes: every error has the form of the dialect, headers' errors too") {
    ServedApi served;
    served.keys = {"secret"};
    served.run([&] {
        CHECK(has(served.post("/api/chat", "{}"), R"({"error":"expected a valid key)"));
        const std::string key = "Authorization: Bearer secret\r\n";
        CHECK(has(served.ask("GET", "/api/chat", "", key), "405 Method Not Allowed"));
        CHECK(has(served.ask("POST", "/api/chat", "{}", key + "Content-Encoding: gzip\r\n"),
                  R"({"error":"Content-Encoding)"));
        CHECK(has(served.ask("POST", "/api/chat", "", key), R"({"error":"missing request body"})"));
        CHECK(has(served.ask("POST", "/api/chat", R"({"model":"other"})", key),
                  R"({"error":"model 'other' not found"})"));
    });
}

TEST_CASE("ollama_routes: a model's tag is known to every dialect, since clients mix them") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.post("/v1/completions",
                              R"({"model":"first:latest","prompt":[1],"max_tokens":1})"),
                  "200 OK"));
        CHECK(has(served.ask("GET", "/v1/models/first:latest"), "200 OK"));
        CHECK(has(served.post("/v1/completions", R"({"model":"first:7b","prompt":[1]})"),
                  "404 Not Found"));
    });
}

TEST_CASE("ollama_routes: an engine that fails ends a stream with a line that says so") {
    ServedApi served;
    served.run([&] {
        FakeModel& model = served.first();
        model.gate.allow(1);
        TestClient client(served.port);
        served.send(client, "POST", "/api/generate",
                    R"({"prompt":"a","options":{"num_predict":50}})");
        std::string answer = client.receive();
        CHECK(has(answer, "200 OK"));
        model.fail_at_step = model.n_steps.load() + 2;
        model.gate.allow(Gate::all);
        answer += client.receive_all();
        CHECK(has(answer, R"({"error":")"));
        CHECK_FALSE(has(answer, R"("done":true)"));
        CHECK_FALSE(answer.ends_with("0\r\n\r\n"));
    });
}

TEST_CASE("ollama_routes: GET / greets programs, and shows people a page") {
    ServedApi served;
    served.run([&] {
        for (const char* accept : {"*/*", "application/json", "application/json, text/plain"}) {
            const std::string answer =
                served.ask("GET", "/", "", fmt::format("Accept: {}\r\n", accept));
            CHECK(body_of(answer) == kOllamaGreeting);
            CHECK(has(answer, "Content-Type: text/plain"));
            CHECK(has(answer, "Vary: Accept\r\n"));
        }
        for (const char* accept : {"", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"})
            CHECK(has(served.ask("GET", "/", "", accept), "<!doctype html>"));
    });
}
