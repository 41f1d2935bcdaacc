// From a body to the engine and back: what the engine is asked for, and what becomes of its events.

#include "daemon/api/completions.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/api/json_writer.h"
#include "tests/unit/daemon/api/api_harness.h"
#include "tests/unit/daemon/api/plain_renderer.h"
#include "tests/unit/daemon/api/started_model.h"
#include "tests/unit/skip.h"

using namespace qwend;

namespace {

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::string json(const std::string& text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

std::string body_of(int max_tokens, const std::string& members = "") {
    return fmt::format(R"({{"prompt":[1,2,3],"max_tokens":{},"seed":7{}}})", max_tokens, members);
}

constexpr const char* kRoute = "/v1/completions";

/// Looks from a thread beside when a page of memory is given back.
class PageWatch {
  public:
    void begin(const char* page) {
        const auto size = uintptr_t(::sysconf(_SC_PAGESIZE));
        thread_ = std::thread([this, at = (uintptr_t(page) + size) & ~(size - 1), size] {
            unsigned char resident = 0;
            for (; !ended_; n_looks_++) {
                const bool gone = ::mincore(reinterpret_cast<void*>(at), size, &resident) != 0;
                if (gone && gone_at_ < 0) gone_at_ = n_looks_;
                std::this_thread::sleep_for(std::chrono::microseconds(200));
            }
        });
    }
    void end() { ended_ = true, thread_.join(); }
    /// Of the time that was watched, how much had passed by then; 1: all of it.
    double gone_after() const { return gone_at_ < 0 ? 1 : double(gone_at_) / n_looks_; }

  private:
    std::atomic<bool> ended_ = false;
    int n_looks_ = 0, gone_at_ = -1;
    std::thread thread_;
};

/// How long a body was kept while the prompt in it, which is long, became ids; as PageWatch has it.
double body_kept_while_encoding(Completions& completions, EventLoop& loop) {
    HttpRequest request;
    request.body = std::string(40 << 20, ' ');  // malloc gives so much back to the kernel
    PageWatch watch;
    completions.start(
        std::make_shared<Exchange>(std::weak_ptr<AnswerSink>(), std::move(request)),
        [&](std::string_view body, const ModelRegistry& models, ParsedRequest& parsed) {
            parsed.model = models.find("");
            std::string text;
            while (text.size() < 4 << 20) text += "The quick brown fox jumps over the lazy dog. ";
            parsed.generation.prompts = {std::move(text)};
            parsed.generation.truncate_prompt_tokens = 8;
            parsed.generation.max_tokens = 1;
            parsed.make_renderer = [&](const Choices&) {
                watch.end();
                return std::make_unique<PlainRenderer>(true);
            };
            watch.begin(body.data());
            return std::optional<ApiError>();
        });
    const auto idle = loop.add_timer(0.001, true, [&] {
        if (completions.n_in_flight() > 0) loop.stop();
    });
    loop.run();
    completions.fail_all({503, "unavailable_error", "", "", "that was all"});
    return watch.gone_after();
}

}  // namespace

TEST_CASE("completions: every choice of every prompt is a sequence, with a seed of its own") {
    ServedApi served;
    served.run([&] {
        const std::string answer =
            served.post(kRoute, R"({"prompt":[[1,2,3],[4,5]],"n":2,"max_tokens":6,"seed":7})");
        const auto& model = served.first();
        int index = 0;
        for (const auto& prompt : std::vector<std::vector<int32_t>>{{1, 2, 3}, {4, 5}})
            for (uint64_t seed : {7, 8}) {
                CAPTURE(index);
                CHECK(has(answer, fmt::format("{{\"index\":{},\"logprobs\":null,\"text\":{},",
                                              index++, json(model.says(prompt, seed, 6)))));
            }
        CHECK(has(answer, "\"prompt_tokens\":5,\"completion_tokens\":24"));
    });
}

TEST_CASE("completions: a full queue is refused at once, and before the body is read") {
    ServedApi served;
    served.engine_options.max_queue = 0;
    served.run([&] {
        served.first().gate.allow(0);
        TestClient busy(served.port);
        served.send(busy, "POST", kRoute, body_of(3, R"(,"n":4)"));
        wait_for([&] { return has(served.post(kRoute, body_of(1)), "429 Too Many"); });
        const std::string refused = served.post(kRoute, "no JSON at all");
        CHECK(has(refused, "429 Too Many"));
        CHECK(has(refused, "Retry-After: 1\r\n"));
        CHECK(has(refused, "\"code\":\"queue_full\""));
        served.first().gate.allow(Gate::all);
        CHECK(has(busy.receive_all(), "\"completion_tokens\":12"));
        CHECK(has(served.post(kRoute, body_of(1)), "200 OK"));
        CHECK(has(served.post(kRoute, body_of(1, R"(,"n":5)")), "429 Too Many"));
    });
}

TEST_CASE("completions: a client that goes cancels what is left of its answer") {
    ServedApi served;
    served.run([&] {
        served.first().gate.allow(5);
        {
            TestClient client(served.port);
            served.send(client, "POST", kRoute, body_of(500, R"(,"n":2,"stream":true)"));
            CHECK(has(client.receive(), "200 OK"));
        }
        served.first().gate.allow(20);  // what is written to nobody says that nobody is there
        wait_for([&] { return served.n_in_flight() == 0; });
        served.first().gate.allow(Gate::all);
        const EngineMetrics& metrics = served.first().model->metrics;
        wait_for([&] { return metrics.request_success[2].value() == 2; });
        CHECK(metrics.generation_tokens.value() <= 2 * 26);
    });
}

TEST_CASE("completions: a stop string ends a sequence, which counts as stopped") {
    ServedApi served;
    served.run([&] {
        const std::string text = served.first().says({1, 2, 3}, 7, 200);
        const std::string stop = text.substr(20, 3);
        served.first().gate.allow(30);  // not to its end before the loop has seen it
        const std::string answer = served.post(kRoute, body_of(200, ",\"stop\":" + json(stop)));
        CHECK(has(answer, "\"text\":" + json(text.substr(0, text.find(stop))) +
                              ",\"finish_reason\":\"stop\",\"stop_reason\":" + json(stop)));
        served.first().gate.allow(Gate::all);
        const auto& ended = served.first().model->metrics.request_success;
        wait_for([&] { return ended[0].value() + ended[2].value() == 1; });
        CHECK(ended[0].value() == 1);
    });
}

TEST_CASE("completions: what the model cannot do is refused by the field") {
    ServedApi served;
    served.run([&] {
        const std::string longest = served.post(kRoute, body_of(1024));
        CHECK(has(longest, "400 Bad Request"));
        CHECK(has(longest, "\"param\":\"prompt\",\"code\":\"context_length_exceeded\""));
        CHECK(has(longest, "maximum context length is 1024 tokens"));
        CHECK(has(served.post("/v1/chat/completions",
                              R"({"messages":[{"role":"user","content":"a"}],"max_tokens":1024})"),
                  "\"param\":\"messages\",\"code\":\"context_length_exceeded\""));
        CHECK(has(served.post(kRoute, body_of(3, R"(,"min_tokens":1,"stop_token_ids":[9],)"
                                                 R"("allowed_token_ids":[9])")),
                  "\"param\":\"allowed_token_ids\""));
    });
}

TEST_CASE("completions: a text has sixteen tokens unless it says otherwise, a chat the context") {
    ServedApi served;
    served.run([&] {
        CHECK(has(served.post(kRoute, R"({"prompt":[1,2,3]})"), "\"completion_tokens\":16,"));
        const std::string chat =
            served.post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}]})");
        CHECK(has(chat, "\"total_tokens\":1024,"));
    });
}

TEST_CASE("completions: a device that fails ends every answer, each as it can be told") {
    ServedApi served;
    served.run([&] {
        FakeModel& model = served.first();
        model.gate.allow(1);
        TestClient stream(served.port), document(served.port);
        served.send(stream, "POST", kRoute, body_of(100, R"(,"stream":true)"));
        std::string begun = stream.receive();
        CHECK(has(begun, "200 OK"));
        served.send(document, "POST", kRoute, body_of(100));
        wait_for([&] { return served.n_in_flight() == 2; });
        model.fail_at_step = model.n_steps.load() + 2;
        model.gate.allow(Gate::all);
        begun += stream.receive_all();
        CHECK(has(begun, "data: {\"error\":{\"message\":\"the server is not ready: gpu_failed\""));
        CHECK_FALSE(has(begun, "[DONE]"));
        CHECK_FALSE(begun.ends_with("0\r\n\r\n"));
        const std::string answer = document.receive_all();
        CHECK(has(answer, "503 Service Unavailable"));
        CHECK(has(answer, "\"code\":\"gpu_failed\""));
    });
}

TEST_CASE("completions: abort_all ends what is in flight") {
    ServedApi served;
    served.run([&] {
        served.first().gate.allow(3);
        TestClient stream(served.port), document(served.port);
        served.send(stream, "POST", kRoute, body_of(100, R"(,"stream":true)"));
        std::string begun = stream.receive();
        served.send(document, "POST", kRoute, body_of(100));
        wait_for([&] { return served.n_in_flight() == 2; });
        served.on_loop([&] {
            served.api->abort_all();
            CHECK(served.api->n_in_flight() == 0);
        });
        begun += stream.receive_all();
        CHECK(has(begun, "data: {\"error\":{\"message\":\"the server is shutting down\""));
        CHECK(has(document.receive_all(), "503 Service Unavailable"));
    });
}

TEST_CASE("completions: unknown fields are counted, of bodies with errors too") {
    ServedApi served;
    served.run([&] {
        served.post(kRoute, body_of(1, R"(,"made_up":1,"also":2)"));
        served.post(kRoute, body_of(1, R"(,"made_up":1,"top_p":2)"));
        CHECK(served.metrics.unknown_fields.value() == 3);
    });
}

TEST_CASE("completions: a body is freed before templates and ids take memory of their own") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return skip("a sanitizer keeps what is freed");
#endif
    StartedModel served;
    EventLoop loop;
    const ModelRegistry registry({served.model});
    const Availability availability(registry);
    LoopMetrics metrics;
    const Options options;
    BodyQueue bodies(loop);
    LiveAnswers live;
    Completions completions(loop, bodies, registry, availability, live, metrics, options);
    // Where the machine is busy a look may come late, but not each time.
    double least = 1;
    for (int i = 0; i < 5 && least > 0.3; i++)
        least = std::min(least, body_kept_while_encoding(completions, loop));
    CHECK(least <= 0.3);
}

TEST_CASE("completions: a body that asks for nothing to be generated has its answer at once") {
    ServedApi served;
    served.run([&] {
        const int n_steps = served.first().n_steps;
        const std::string answer = served.post("/api/chat", R"({"model":"first"})");
        CHECK(has(answer, "200 OK"));
        CHECK(has(answer, R"("done_reason":"load")"));
        CHECK(served.n_in_flight() == 0);
        CHECK(served.first().n_steps == n_steps);
    });
}

TEST_CASE("completions: words of several tokens need a device that takes masks") {
    ServedApi served;
    served.info.vocabulary_masks = false;
    served.run([&] {
        const auto ask = [&](std::string_view word) {
            return served.post(kRoute, body_of(3, fmt::format(R"(,"bad_words":["{}"])", word)));
        };
        const std::string refused = ask("zqxj");
        CHECK(has(refused, "400 Bad Request"));
        CHECK(has(refused, "\"param\":\"bad_words\""));
        CHECK(has(refused, "bad_words: \\\"zqxj\\\" is more than one token"));
        CHECK(has(ask("the"), "200 OK"));
    });
}

namespace {

/// Of a form that takes a while to compile: one of 20,000 texts.
std::string slow_form(std::string_view salt) {
    std::string values;
    for (int i = 0; i < 20'000; i++)
        values += fmt::format("{}\"{}{:06}\"", i ? "," : "", salt, i * 7919 % 100'003);
    return fmt::format(R"(,"guided_json":{{"enum":[{}]}})", values);
}

}  // namespace

TEST_CASE("completions: a form is compiled beside the loop, and answers keep to it") {
    ServedApi served;
    served.run([&] {
        const std::string body = body_of(40, slow_form("a"));
        std::vector<std::unique_ptr<TestClient>> clients;
        for (int i = 0; i < 3; i++) {  // the others ask while it compiles for the first
            clients.push_back(std::make_unique<TestClient>(served.port));
            served.send(*clients.back(), "POST", kRoute, body);
        }
        CHECK(has(served.post(kRoute, body_of(2)), "200 OK"));  // nobody else waits
        std::string first;
        for (const auto& client : clients) {
            const std::string answer = client->receive_all();
            CHECK_MESSAGE(has(answer, "\"finish_reason\":\"stop\""), answer);
            CHECK(has(answer, "\"text\":\"\\\"a"));
            const std::string text = answer.substr(answer.find("\"text\""));
            CHECK((first.empty() || first == text));
            first = text;
        }
        const std::string refused = served.post(kRoute, body_of(2, R"(,"guided_regex":"(")"));
        CHECK(has(refused, "400 Bad Request"));
        CHECK(has(refused, "\"param\":\"guided_regex\""));
        CHECK(has(served.post(kRoute, body_of(2, R"(,"guided_regex":"(")")), "400 Bad Request"));
    });
}

TEST_CASE("completions: a client that goes while its form compiles leaves nothing behind") {
    ServedApi served;
    served.run([&] {
        for (int i = 0; i < 3; i++) {
            TestClient client(served.port);
            served.send(client, "POST", kRoute,
                        body_of(40, slow_form(std::string(1, char('b' + i)))));
        }
        CHECK(has(served.post(kRoute, body_of(2)), "200 OK"));
        wait_for([&] { return served.n_in_flight() == 0; });
    });
}

TEST_CASE("completions: who waits for a form when all ends is told so") {
    ServedApi served;
    served.run([&] {
        TestClient client(served.port);
        served.first().gate.allow(0);  // if it has compiled by then
        served.send(client, "POST", kRoute, body_of(40, slow_form("z")));
        wait_for([&] { return served.n_in_flight() == 1; });
        served.on_loop([&] { served.api->abort_all(); });
        CHECK(has(client.receive_all(), "503 Service Unavailable"));
        wait_for([&] { return served.n_in_flight() == 0; });  // once it has compiled
    });
}

TEST_CASE("completions: a form needs a device that takes masks") {
    ServedApi served;
    served.info.vocabulary_masks = false;
    served.run([&] {
        const std::string refused = served.post(kRoute, body_of(3, R"(,"guided_choice":["a"])"));
        CHECK(has(refused, "400 Bad Request"));
        CHECK(has(refused, "\"param\":\"guided_choice\",\"code\":\"unsupported_parameter\""));
        CHECK(has(served.post(kRoute, body_of(3)), "200 OK"));
    });
}
