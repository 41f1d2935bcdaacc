#pragma once

#include <chrono>
#include <thread>

#include "daemon/engine/engine.h"
#include "tests/unit/backend_driver.h"
#include "tests/unit/scheduled_run.h"

/// What the scheduler does to a stream is not seen in its text, on a real backend: preemption, the
/// prefix cache, others' cancellation. `exact` backends give the same bits however a text is cut
/// into steps; of the others that is asked where the steps are the same. Else every distribution
/// has to be close, and a greedy text may go another way only where it is undecided: where the
/// likeliest token leads the next by no more than other sums of bf16 products turn around.

namespace qwend {

inline constexpr float kDecided = 0.25f;  // of log-probability; these texts are short

struct TextCount {
    int n_tokens = 0, n_compared = 0;
};

inline void check_text(const ScheduledStream& stream, const ScheduledStream& reference, bool exact,
                       TextCount& count) {
    CAPTURE(reference.request.id);
    REQUIRE(stream.samples.size() == reference.samples.size());
    CHECK(stream.finish == reference.finish);
    count.n_tokens += int(stream.samples.size());
    for (size_t i = 0; i < stream.samples.size(); i++) {
        CAPTURE(i);
        const SampledToken &ours = stream.samples[i], &theirs = reference.samples[i];
        count.n_compared++;
        if (exact)
            CHECK(same(ours, theirs));
        else
            CHECK(divergence(theirs, ours) < kClose);
        const bool decided = theirs.top[0].logprob - theirs.top[1].logprob > kDecided;
        CHECK((ours.token == theirs.token || !decided));
        if (ours.token != theirs.token) return;  // what follows is another text's
    }
}

inline void check_texts(const ScheduledRun& run, const ScheduledRun& reference, bool exact) {
    TextCount count;
    REQUIRE(run.streams.size() == reference.streams.size());
    for (auto& [id, stream] : run.streams)
        check_text(stream, reference.streams.at(id), exact, count);
    MESSAGE(count.n_compared << " of " << count.n_tokens << " tokens compared");
    CHECK(2 * count.n_compared > count.n_tokens);
}

inline void check_nothing_held(const ScheduledRun& run) {
    CHECK(run.scheduler().idle());
    CHECK(run.scheduler().blocks().n_free() == run.scheduler().blocks().n_blocks());
}

inline GenerationRequest greedy_request(SequenceId id, int n_prompt, int max_tokens) {
    GenerationRequest request;
    request.id = id;
    std::vector<int32_t> prompt;
    for (int i = 0; i < n_prompt; i++)
        prompt.push_back(int32_t((id * 31 + size_t(i) * 7919) % kHashedVocab));
    request.prompt = std::move(prompt);
    request.sampling = greedy_with_logprobs();
    request.max_tokens = max_tokens;
    return request;
}

inline std::unique_ptr<Backend> make_scheduled(const BackendFactory& make,
                                               const HashedCheckpoint& hashed) {
    BackendOptions options;
    options.max_context = 2048;
    options.kv_cache_bytes = 64 << 20;
    options.max_logprobs = kHashedVocab;
    return make(hashed.checkpoint, options);
}

/// Twelve streams in a pool for about four, beside the same in a pool for all.
inline void check_preemption(const BackendFactory& make, bool prefix_cache, bool exact) {
    for (const HashedShape& shape : golden_shapes()) {
        CAPTURE(shape.name);
        HashedCheckpoint hashed(shape);
        auto backend = make_scheduled(make, hashed);
        BackendInfo tight_info = backend->info();
        tight_info.n_blocks = 30;
        ScheduledRun roomy(*backend, backend->info(), prefix_cache);
        ScheduledRun tight(*backend, tight_info, prefix_cache);
        for (ScheduledRun* run : {&roomy, &tight}) {
            for (int i = 1; i <= 12; i++)
                run->add(greedy_request(SequenceId(i), 10 + 3 * i, 70 + i));
            run->run();
            check_nothing_held(*run);
        }
        CHECK(roomy.scheduler().counters().preemptions == 0);
        CHECK(tight.scheduler().counters().preemptions >= 4);
        check_texts(tight, roomy, exact);
    }
}

/// With steps of one block a prompt's tail is computed in a step of the same rows whether the cache
/// had the rest or not: the same bits everywhere.
inline void check_prefix_cache(const BackendFactory& make, int max_step_tokens, bool exact) {
    for (const HashedShape& shape : golden_shapes()) {
        CAPTURE(shape.name);
        HashedCheckpoint hashed(shape);
        auto backend = make_scheduled(make, hashed);
        BackendInfo info = backend->info();
        info.max_step_tokens = max_step_tokens;
        TextCount count;
        for (int n_prompt : {17, 31, 32, 33, 100, 301}) {
            CAPTURE(n_prompt);
            ScheduledRun run(*backend, info, true);
            for (SequenceId id : {1, 2}) {  // one after the other
                GenerationRequest request = greedy_request(7, n_prompt, 30);
                request.id = id;
                run.add(std::move(request));
                run.run();
            }
            CHECK(run.streams.at(1).n_cached == 0);
            CHECK(run.streams.at(2).n_cached == (n_prompt - 1) / 16 * 16);
            check_text(run.streams.at(2), run.streams.at(1), exact, count);
            check_nothing_held(run);
        }
        CHECK(2 * count.n_compared > count.n_tokens);
    }
}

/// Three of seven streams are cancelled while they decode and steps are in flight. They are no more
/// than have the same bits in any company, so the rest has them.
inline void check_cancel(const BackendFactory& make) {
    HashedCheckpoint hashed(golden_shapes()[1]);
    auto backend = make_scheduled(make, hashed);
    ScheduledRun undisturbed(*backend, backend->info(), true);
    ScheduledRun run(*backend, backend->info(), true);
    for (int i = 1; i <= 7; i++)
        for (ScheduledRun* each : {&undisturbed, &run})
            each->add(greedy_request(SequenceId(i), 20 + i, 40));
    undisturbed.run();
    for (int turn = 0; turn < 12; turn++) run.turn();
    int n_free = run.scheduler().blocks().n_free();
    for (const Sequence* sequence : run.scheduler().running())
        if (sequence->id % 3 == 1) n_free += int(sequence->table.blocks.size());
    for (SequenceId id : {1, 4, 7}) {
        CHECK(run.streams.at(id).samples.size() > 5);
        run.cancel(id), undisturbed.streams.erase(id);
    }
    CHECK(run.scheduler().running().size() == 4);
    CHECK(run.scheduler().blocks().n_free() == n_free);
    run.run();
    check_nothing_held(run);
    check_texts(run, undisturbed, true);
}

/// Cancellation wherever a stream may be: waiting, in its prefill, in flight, decoding, preempted.
inline void check_cancel_anywhere(const BackendFactory& make) {
    HashedCheckpoint hashed(golden_shapes()[0]);
    auto backend = make_scheduled(make, hashed);
    BackendInfo info = backend->info();
    info.n_blocks = 40, info.max_step_tokens = 32;
    for (int turns = 0; turns < 40; turns += 3) {
        CAPTURE(turns);
        ScheduledRun run(*backend, info, true);
        for (int i = 1; i <= 12; i++) run.add(greedy_request(SequenceId(i), 10 + 7 * i, 60));
        for (int turn = 0; turn < turns; turn++) run.turn();
        for (int i = 1; i <= 12; i++) run.cancel(SequenceId(i));
        CHECK(run.scheduler().blocks().n_free() == info.n_blocks);  // with steps still in flight
        run.run();
        check_nothing_held(run);
    }
}

/// The texts that an engine delivers, whose worker made the backend and drives it.
inline std::map<SequenceId, ScheduledStream> run_engine(
    const BackendFactory& make, const HashedCheckpoint& hashed,
    const std::vector<GenerationRequest>& requests) {
    EngineMetrics metrics;
    Engine engine({}, metrics, [] {});
    auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    engine.start([&] { return make_scheduled(make, hashed); });
    while (engine.state() == EngineState::loading) wait();
    REQUIRE_MESSAGE(engine.state() == EngineState::ready, engine.failure());
    REQUIRE(engine.submit(requests));
    std::map<SequenceId, ScheduledStream> streams;
    for (const GenerationRequest& request : requests) streams[request.id].request = request;
    while (engine.n_unfinished() > 0) {
        wait();
        for (TokenEvent& event : engine.take_events()) {
            ScheduledStream& stream = streams.at(event.id);
            if (event.sampled.token >= 0) stream.samples.push_back(std::move(event.sampled));
            stream.finish = event.finish;
        }
    }
    return streams;
}

/// An engine with its thread delivers what the scheduler gives without one.
inline void check_engine(const BackendFactory& make, bool exact) {
    HashedCheckpoint hashed(golden_shapes()[0]);
    std::vector<GenerationRequest> requests;
    for (int i = 1; i <= 12; i++)
        requests.push_back(greedy_request(SequenceId(i), 10 + 3 * i, 30 + i));
    auto backend = make_scheduled(make, hashed);
    ScheduledRun reference(*backend, backend->info(), true);
    for (const GenerationRequest& request : requests) reference.add(request);
    reference.run();
    TextCount count;
    for (auto& [id, stream] : run_engine(make, hashed, requests))
        check_text(stream, reference.streams.at(id), exact, count);
    CHECK(2 * count.n_compared > count.n_tokens);
}

}  // namespace qwend
