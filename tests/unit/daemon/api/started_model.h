#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "daemon/api/model.h"
#include "tests/unit/daemon/api/demo_text.h"
#include "tests/unit/daemon/engine/engine_harness.h"

namespace qwend {

/// A model of a FakeBackend that is ready, failed or still loading; nobody takes its events.
struct StartedModel {
    struct Fate {
        bool loads = true, fails = false;
        BackendInfo info = fake_info(4, 256, 64, 4, 1);
    };
    Gate load_gate;
    ModelPtr model = std::make_shared<Model>(demo_text(), EngineOptions(), [] {});

    StartedModel() : StartedModel(Fate()) {}
    explicit StartedModel(Fate fate) {
        if (!fate.loads) load_gate.allow(0);
        model->engine.start([this, fate] {
            load_gate.pass();
            if (fate.fails) throw BackendFault("device on fire");
            return std::make_unique<FakeBackend>(fate.info);
        });
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (fate.loads && model->engine.state() == EngineState::loading) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    ~StartedModel() { load_gate.allow(Gate::all); }
};

}  // namespace qwend
