// OpenAI's Responses over HTTP: made, asked for again, gone on from, and deleted.

#include "daemon/api/responses/routes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/unit/daemon/api/api_harness.h"

using namespace qwend;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string body_of(const std::string& answer) {
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

std::string id_in(const std::string& answer) {
    return answer.substr(answer.find("resp_"), 37);
}

constexpr const char* kPath = "/v1/responses";

std::string path_of(const std::string& id) {
    return std::string(kPath) + "/" + id;
}

}  // namespace

TEST_CASE("responses_routes: one that is kept can be had again until it is deleted") {
    ServedApi served;
    served.run([&] {
        const std::string answer = served.post(kPath, R"({"input":"hi","max_output_tokens":4})");
        CHECK(answer.starts_with("HTTP/1.1 200"));
        CHECK(has(answer, R"("model":"first")"));
        const std::string path = path_of(id_in(answer));
        CHECK(body_of(served.ask("GET", path)) == body_of(answer));
        CHECK(served.ask("GET", path + "?stream=true").starts_with("HTTP/1.1 400"));
        CHECK(served.ask("HEAD", path).starts_with("HTTP/1.1 200"));
        CHECK(served.post(path + "/cancel", "").starts_with("HTTP/1.1 400"));
        for (const char* method : {"GET", "DELETE"})
            CHECK(has(served.ask(method, path + "/input_items"),
                      "no such route: " + path + "/input_items"));
        const std::string deleted = served.ask("DELETE", path);
        CHECK(body_of(deleted) ==
              fmt::format(R"({{"id":"{}","object":"response","deleted":true}})", id_in(answer)));
        for (const std::string& gone : {served.ask("GET", path), served.ask("DELETE", path),
                                        served.post(path + "/cancel", "")}) {
            CHECK(gone.starts_with("HTTP/1.1 404"));
            CHECK(has(gone, R"("type":"not_found_error")"));
        }
        CHECK(served.post(path, "").starts_with("HTTP/1.1 404"));
        CHECK(served.ask("PUT", path).starts_with("HTTP/1.1 405"));
    });
}

TEST_CASE("responses_routes: a stream has events, and its response is kept as well") {
    ServedApi served;
    served.run([&] {
        const std::string answer =
            served.post(kPath, R"({"input":"hi","max_output_tokens":4,"stream":true})");
        CHECK(has(answer, "text/event-stream"));
        CHECK(has(answer, "event: response.created\ndata: "));
        CHECK(has(answer, "event: response.incomplete\ndata: "));
        CHECK(has(served.ask("GET", path_of(id_in(answer))), R"("status":"incomplete")"));
    });
}

TEST_CASE("responses_routes: to go on from a response is to send all of it again") {
    ServedApi served;
    served.run([&] {
        const std::string first = served.post(kPath, R"({"input":"one","max_output_tokens":1})");
        const auto n_input = [](const std::string& answer) {
            const size_t at = answer.find("\"input_tokens\":");
            REQUIRE(at != std::string::npos);
            return std::stoi(answer.substr(at + 15));
        };
        const std::string more = fmt::format(
            R"({{"input":"two","max_output_tokens":1,"store":false,"previous_response_id":"{}"}})",
            id_in(first));
        const std::string second = served.post(kPath, more);
        CHECK(n_input(second) > n_input(first) + 5);
        CHECK(served.ask("GET", path_of(id_in(second))).starts_with("HTTP/1.1 404"));
        CHECK(n_input(served.post(kPath, more)) == n_input(second));
        served.ask("DELETE", path_of(id_in(first)));
        const std::string lost = served.post(kPath, more);
        CHECK(lost.starts_with("HTTP/1.1 400"));
        CHECK(has(lost, R"("code":"previous_response_not_found")"));
    });
}

TEST_CASE("responses_routes: without a store nothing is kept, and the object says so") {
    ServedApi served;
    served.options.responses_store_bytes = 0;
    served.run([&] {
        const std::string answer = served.post(kPath, R"({"input":"hi","max_output_tokens":1})");
        CHECK(has(answer, R"("store":false)"));
        CHECK(served.ask("GET", path_of(id_in(answer))).starts_with("HTTP/1.1 404"));
    });
}

TEST_CASE("responses_routes: errors are OpenAI's") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.post(kPath, "{"), R"({"error":{"message":"malformed JSON)"));
        CHECK(has(served.post(kPath, R"({"input":"x","model":"other"})"),
                  R"("code":"model_not_found")"));
        CHECK(served.post(kPath, R"({"input":"x","max_output_tokens":100000,"stop":["e"]})")
                  .starts_with("HTTP/1.1 200"));
        CHECK(has(served.post(kPath, R"({"input":")" + std::string(20000, 'x') + "\"}"),
                  R"("param":"input","code":"context_length_exceeded")"));
    });
}

TEST_CASE("responses_routes: an engine that fails ends the stream with a failed response") {
    ServedApi served;
    served.run([&] {
        FakeModel& model = served.first();
        model.gate.allow(1);
        TestClient client(served.port);
        served.send(client, "POST", kPath,
                    R"({"input":"hi","max_output_tokens":50,"stream":true})");
        std::string answer = client.receive();
        model.fail_at_step = model.n_steps.load() + 2;
        model.gate.allow(Gate::all);
        answer += client.receive_all();
        CHECK(has(answer, "event: response.failed\ndata: "));
        CHECK(has(answer, R"("error":{"code":"server_error")"));
        CHECK_FALSE(has(answer, "response.incomplete"));
    });
}
