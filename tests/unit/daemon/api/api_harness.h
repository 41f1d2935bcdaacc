#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/api/api.h"
#include "daemon/log.h"
#include "tests/unit/daemon/api/demo_text.h"
#include "tests/unit/daemon/engine/engine_harness.h"
#include "tests/unit/daemon/engine/fake_backend.h"
#include "tests/unit/net/served.h"

namespace qwend {

/// A model of a FakeBackend, with the demo's text under another name. Its tokens are single bytes.
struct FakeModel {
    Gate load_gate, gate;  // of its loading, of its steps
    std::atomic<int> fail_at_step{-1}, n_steps{0};
    ModelPtr model;

    FakeModel(EventLoop& loop, Api*& api, std::vector<std::string> names, EngineOptions options,
              const std::function<void(ModelText&)>& change) {
        const auto text = load_demo_text();
        text->names = std::move(names);
        if (change) change(*text);
        model = std::make_shared<Model>(text, options,
                                        loop.make_wake([&api] { api->on_engine_events(); }));
    }
    ~FakeModel() { load_gate.allow(Gate::all), gate.allow(Gate::all); }

    void start(BackendInfo info, VectorHead head) {
        model->engine.start([this, info, head] {
            load_gate.pass();
            auto backend = std::make_unique<FakeBackend>(info);
            backend->before_collect = [this] {
                gate.pass();
                if (n_steps++ == fail_at_step) throw BackendFault("device on fire");
            };
            return EngineParts(std::move(backend), head);
        });
    }

    /// The text of a choice whose prompt is these ids.
    std::string says(std::vector<int32_t> prompt, uint64_t seed, int max_tokens) const {
        GenerationRequest request = make_request(1, std::move(prompt), max_tokens);
        request.sampling.seed = seed;
        return model->text->tokenizer.decode(expected_output(request), false);
    }
};

/// The API as the daemon has it, with HTTP on one side and models of FakeBackends on the other.
struct ServedApi {
    Options options;
    EngineOptions engine_options;
    BackendInfo info = fake_info(4, 256, 64, 4, 1);  // of each model's backend
    std::vector<std::string> keys;
    std::vector<std::vector<std::string>> names = {{"first", "alias"}};  // of each model
    std::function<void(ModelText&)> change_text;                         // of each model
    VectorHead head;                                                     // of each model
    EventLoop loop;
    LoopMetrics metrics;
    Api* api = nullptr;
    std::vector<std::unique_ptr<FakeModel>> models;
    int port = 0;

    FakeModel& first() { return *models[0]; }

    /// Serves while `clients` run in a thread beside. It is ready then, or still `loading`: until
    /// the models' load_gate is opened.
    void run(const std::function<void()>& clients, bool loading = false) {
        log_set_level(LogLevel::error);
        options.model = "tests/demo-model";
        options.insecure_no_auth = true;
        std::vector<ModelPtr> served;
        for (auto& each : names) {
            models.push_back(
                std::make_unique<FakeModel>(loop, api, each, engine_options, change_text));
            served.push_back(models.back()->model);
        }
        const ModelRegistry registry(std::move(served));
        Api serving(loop, registry, metrics, options, keys);
        api = &serving;
        HttpServer server(loop, {}, serving.handler());
        REQUIRE(server.listen("127.0.0.1:0").empty());
        const std::string bound = server.bound_addresses()[0];
        port = std::stoi(bound.substr(bound.rfind(':') + 1));
        const auto done = loop.make_wake([&] { stop_when_idle(); });
        on_loop_ = loop.make_wake([&] { take_to_do()(), is_done_ = true; });
        for (auto& model : models) {
            if (loading) model->load_gate.allow(0);
            model->start(info, head);
        }
        std::thread thread([&] {
            if (!loading) wait_until_ready();
            clients();
            for (auto& model : models) model->gate.allow(Gate::all);
            done();
        });
        loop.run();
        thread.join();
        log_set_level(LogLevel::info);
    }

    void wait_until_ready() {
        wait_for([this] {
            bool ready = true;
            on_loop([&] {
                for (auto& model : models)
                    ready &= model->model->engine.state() == EngineState::ready;
            });
            return ready;
        });
    }

    /// From a client's thread: runs it where the API runs, and waits for it.
    void on_loop(std::function<void()> what) {
        {
            std::lock_guard lock(mutex_);
            to_do_ = std::move(what);
        }
        is_done_ = false;
        on_loop_();
        wait_for([&] { return is_done_.load(); });
    }

    std::string ask(std::string_view method, std::string_view path, std::string_view body = {},
                    std::string_view headers = {}) const {
        TestClient client(port);
        send(client, method, path, body, headers);
        return client.receive_all();
    }
    std::string post(std::string_view path, std::string_view body) const {
        return ask("POST", path, body);
    }
    static void send(TestClient& client, std::string_view method, std::string_view path,
                     std::string_view body = {}, std::string_view headers = {}) {
        client.send(
            fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}"
                        "Content-Length: {}\r\n\r\n{}",
                        method, path, headers, body.size(), body));
    }

    int n_in_flight() {
        int n = 0;
        on_loop([&] { n = api->n_in_flight(); });
        return n;
    }

  private:
    std::function<void()> take_to_do() {
        std::lock_guard lock(mutex_);
        return std::exchange(to_do_, {});
    }

    /// A worker that still has something to say must not wake a loop that has ended.
    void stop_when_idle() {
        idle_ = loop.add_timer(0.001, true, [this] {
            for (auto& model : models)
                if (model->model->engine.n_unfinished() > 0) return;
            if (api->n_in_flight() == 0) idle_.reset(), loop.stop();
        });
    }

    std::shared_ptr<EventLoop::Timer> idle_;
    std::function<void()> on_loop_, to_do_;
    std::mutex mutex_;  // of to_do_
    std::atomic<bool> is_done_{false};
};

}  // namespace qwend
