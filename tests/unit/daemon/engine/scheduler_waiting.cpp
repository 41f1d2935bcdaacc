// What many waiting sequences cost a step, counted in what is compared and looked up.

#include <doctest/doctest.h>

#include "daemon/engine/scheduler.h"
#include "tests/unit/daemon/engine/fake_backend.h"

namespace qwend {
namespace {

constexpr int kWaiting = 200, kShared = 100000, kStep = 512;
constexpr uint64_t kMostAStep = (1 << 20) + 2 * kShared;  // the bound, and what exceeds it
constexpr uint64_t kLookup = 512;

/// A scheduler whose sequences sample nothing but zeros: nobody looks at the tokens but itself.
struct Queue {
    Scheduler scheduler;
    int n_steps = 0;

    explicit Queue(int n_blocks, int n_lanes)
        : scheduler(fake_info(16, n_blocks, kStep, n_lanes), true) {}

    void add(SequenceId id, std::vector<int32_t> prompt, int max_tokens = 20) {
        REQUIRE(scheduler.add(make_request(id, std::move(prompt), max_tokens), 0));
    }
    /// What scheduling a step costs, as n_work() says.
    uint64_t step() {
        const uint64_t before = scheduler.n_work();
        const Batch& batch = scheduler.schedule(0);
        REQUIRE_FALSE(batch.sequences.empty());
        StepResult result;
        for (const BatchSequence& row : batch.sequences)
            if (row.sampling) result.samples.push_back({0, 0, {}});
        std::vector<StepOutput> outputs;
        const uint64_t work = scheduler.n_work() - before;
        scheduler.postprocess(result, outputs);
        ++n_steps;
        return work;
    }
};

std::vector<int32_t> shared_prompt(int last) {
    std::vector<int32_t> prompt = make_prompt(kShared);
    prompt.push_back(last);
    return prompt;
}

}  // namespace

TEST_CASE("scheduler waiting: a prompt that many share costs each of them one look") {
    Queue queue(40000, 256);
    for (int i = 0; i <= kWaiting; ++i) queue.add(i, shared_prompt(i));
    // Each is compared with the first, which computes the prompt, a bounded number a step.
    uint64_t total = 0, most = 0, work;
    queue.step();
    while ((work = queue.step()) > 0) total += work, most = std::max(most, work);
    CHECK(most <= kMostAStep);
    CHECK(total <= uint64_t{kWaiting} * (kShared + 1000));
    // Nothing changes for them until it has: no step looks at any of them.
    int n_idle_steps = 0;
    while ((work = queue.step()) == 0) ++n_idle_steps;
    CHECK(n_idle_steps > 50);
    CHECK(queue.n_steps > kShared / kStep);
    // Then all start with what it has computed, which nobody looks up block by block.
    const uint64_t n_lookups = queue.scheduler.blocks().n_lookups();
    total = most = work;
    while (queue.scheduler.n_sequences() > 0)
        total += work = queue.step(), most = std::max(most, work);
    CHECK(most <= kMostAStep);
    CHECK(total <= uint64_t{kWaiting} * 2 * kShared);
    CHECK(queue.scheduler.blocks().n_lookups() - n_lookups <= uint64_t{kWaiting} * 10);
    CHECK(queue.scheduler.counters().prefix_hit == uint64_t{kWaiting} * kShared);
    CHECK(queue.n_steps < kShared / kStep + 60);
}

TEST_CASE("scheduler waiting: one that finds no room is looked at when something has changed") {
    Queue queue(kShared / 16 + 400, 8);  // for one of them
    for (int i = 0; i < kWaiting; ++i) {
        std::vector<int32_t> prompt = shared_prompt(0);
        prompt.front() = i;  // they share nothing
        queue.add(i, std::move(prompt), 5000);
    }
    queue.step();
    while (queue.scheduler.running().front()->state == SequenceState::prefill) queue.step();
    for (int i = 0; i < 100; ++i) CHECK(queue.step() <= kLookup);  // a new block may be the next
    CHECK(queue.scheduler.running().size() == 1);
}

TEST_CASE("scheduler waiting: without a free lane nobody is looked at") {
    Queue queue(40000, 1);
    for (int i = 0; i < kWaiting; ++i) queue.add(i, make_prompt(1000, i), 50);
    queue.step(), queue.step();
    for (int i = 0; i < 40; ++i) CHECK(queue.step() == 0);
}

TEST_CASE("scheduler waiting: when the leader goes, one of those that followed leads on") {
    Queue queue(40000, 256);
    for (int i = 0; i <= kWaiting; ++i) queue.add(i, shared_prompt(i));
    queue.step();
    while (queue.step() > 0) {
    }
    const int n_landed = queue.scheduler.running().front()->n_landed;
    REQUIRE(n_landed < kShared);
    REQUIRE(queue.scheduler.cancel(0));
    uint64_t total = queue.step(), work;
    while ((work = queue.step()) > 0) {
        CHECK(work <= kMostAStep);
        total += work;
    }
    CHECK(total <= uint64_t{kWaiting} * 2 * kShared + kLookup * kShared / 16);
    REQUIRE(queue.scheduler.running().size() == 1);
    CHECK(queue.scheduler.running().front()->n_cached == n_landed / 16 * 16);
}

}  // namespace qwend
