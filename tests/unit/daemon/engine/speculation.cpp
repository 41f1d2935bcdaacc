// Drafted tokens: a stream is the one without them, in fewer steps.

#include "daemon/engine/speculation.h"

#include <doctest/doctest.h>

#include "daemon/engine/repetition.h"
#include "tests/unit/daemon/engine/fake_drafter.h"
#include "tests/unit/daemon/engine/scheduler_harness.h"

namespace qwend {
namespace {

using Harness = SchedulerHarness;

GenerationRequest drafted(GenerationRequest request, int max_drafts, Guesses guesses) {
    request.drafter = fake_drafter(request, max_drafts, guesses);
    return request;
}

const BatchSequence& row_of(const Harness& harness, SequenceId id) {
    for (const BatchSequence& row : harness.in_flight.back().sequences)
        if (row.run == harness.find(id)->run) return row;
    throw std::logic_error("no row");
}

int n_steps(Harness& harness) {
    int n = 0;
    for (; !harness.scheduler.idle(); ++n) harness.step();
    return n;
}

}  // namespace

TEST_CASE("speculation: right guesses give several tokens a step, wrong ones the next token") {
    for (const int depth : {1, 2, 3})
        for (const Guesses guesses :
             {Guesses::right, Guesses::wrong, Guesses::mixed, Guesses::broken}) {
            CAPTURE(depth);
            CAPTURE(static_cast<int>(guesses));
            Harness harness(fake_info(4, 64, 32, 4, depth));
            harness.add(drafted(make_request(1, make_prompt(5), 41), 4, guesses));
            const int n = n_steps(harness);
            harness.check_outputs();
            CHECK(harness.streams[1].finish == FinishReason::length);
            // Until the first token is read, steps have one each.
            if (guesses == Guesses::right) CHECK(n == depth + (41 - depth + 4) / 5);
            if (guesses == Guesses::wrong) CHECK(n == 41);
            if (guesses == Guesses::mixed) CHECK((n > 9 && n < 41));
        }
}

TEST_CASE("speculation: what others generated is guessed, within a cache salt") {
    for (const int depth : {1, 2}) {
        CAPTURE(depth);
        BackendInfo info = fake_info(4, 64, 32, 4, depth);
        info.max_draft_rows = 32, info.draft_row_cost = 0.02f;
        Harness harness(info);
        const auto n_steps_of = [&](int id, const std::string& salt, bool is_cancelled) {
            GenerationRequest request = make_request(id, make_prompt(6), 41);
            request.cache_salt = salt;
            request.drafter = draft_repetitions(info.draft_row_cost, 4);
            harness.add(request);
            int n = 0;
            for (; !harness.scheduler.idle(); ++n) {
                harness.step();
                if (is_cancelled && n == 35) harness.scheduler.cancel(id);
            }
            return n;
        };
        CHECK(n_steps_of(1, "a", false) == 41);
        CHECK(n_steps_of(2, "a", false) < 20);
        CHECK(n_steps_of(3, "b", false) == 41);
        CHECK(n_steps_of(4, "c", true) < 41);
        CHECK(n_steps_of(5, "c", false) < 20);  // as far as that one came
        for (const int id : {1, 2, 3, 5})
            CHECK(harness.streams[id].output == harness.streams[1].output);
        const auto& counted =
            harness.scheduler.counters().drafts[static_cast<size_t>(DraftSource::others)];
        CHECK(counted.accepted > 30);
        CHECK(counted.accepted <= counted.tokens);
    }
}

TEST_CASE("speculation: an end among the guesses ends the sequence there") {
    const int depth = each_depth();
    for (int max_tokens = 1; max_tokens <= 12; ++max_tokens) {
        CAPTURE(max_tokens);
        Harness harness(fake_info(4, 64, 32, 4, depth));
        harness.add(drafted(make_request(1, make_prompt(5), max_tokens), 5, Guesses::right));
        GenerationRequest stopped = make_request(2, make_prompt(5, 1), 40);
        stopped.sampling.stop_token_ids = {expected_output(stopped)[max_tokens - 1]};
        harness.add(drafted(stopped, 5, Guesses::right));
        harness.run();
        harness.check_outputs();
        CHECK(harness.streams[1].finish == FinishReason::length);
        CHECK(harness.streams[2].finish == FinishReason::stop);
    }
}

TEST_CASE("speculation: guesses get the tokens of a step that nothing else needs") {
    Harness harness(fake_info(4, 64, 8, 4));
    for (int id = 1; id <= 2; ++id)
        harness.add(drafted(make_request(id, make_prompt(3, id), 30), 5, Guesses::right));
    harness.add(make_request(3, make_prompt(2, 3), 30));
    harness.step();
    REQUIRE(harness.launch());  // three of decode, and five left for the two
    CHECK(row_of(harness, 1).n_drafts == 3);
    CHECK(row_of(harness, 2).n_drafts == 2);
    CHECK(row_of(harness, 3).n_query == 1);
    harness.collect();
    harness.add(make_request(4, make_prompt(10, 4), 3));
    REQUIRE(harness.launch());  // prefill takes what is left
    CHECK(row_of(harness, 1).n_drafts == 0);
    CHECK(row_of(harness, 4).n_query == 5);
    harness.collect();
    REQUIRE(harness.launch());
    CHECK(harness.in_flight.back().tokens.size() == 8);
    harness.collect();
    harness.run();
    harness.check_outputs();
}

TEST_CASE("speculation: guesses take no block that another may soon need") {
    Harness harness(fake_info(4, 7, 32, 4));
    harness.add(make_request(1, make_prompt(8, 1), 5));
    harness.add(drafted(make_request(2, make_prompt(8, 2), 8), 5, Guesses::wrong));
    harness.step();
    CHECK(harness.scheduler.blocks().n_free() == 3);
    REQUIRE(harness.launch());  // a block each, and one is left, which the guesses leave
    CHECK(harness.scheduler.blocks().n_free() == 1);
    CHECK(row_of(harness, 2).n_drafts == 3);
    harness.collect();
    harness.run();
    harness.check_outputs();
    CHECK(harness.scheduler.counters().preemptions == 0);
}

TEST_CASE("speculation: wrong guesses leave neither blocks nor anything in the prefix cache") {
    const int depth = each_depth();
    Harness harness(fake_info(2, 64, 32, 4, depth));
    GenerationRequest request = make_request(1, make_prompt(5), 20);
    std::vector<int32_t> all = make_prompt(5);
    for (const int32_t token : expected_output(request)) all.push_back(token);
    harness.add(drafted(request, 5, Guesses::mixed));
    harness.step();
    while (!harness.scheduler.idle()) {
        const Sequence& sequence = *harness.find(1);
        CHECK(sequence.table.blocks.size() ==
              static_cast<size_t>(harness.scheduler.blocks().blocks_for(sequence.n_computed)));
        CHECK(sequence.n_computed == static_cast<int>(sequence.tokens.size()) - 1);
        harness.step();
    }
    harness.check_outputs();
    CHECK(harness.scheduler.blocks().find_prefix(all, "").blocks.size() == (all.size() - 1) / 2);
}

TEST_CASE("speculation: preempted, held or cancelled with guesses in flight") {
    const int depth = each_depth();
    for (int n_turns = 1; n_turns < 8; ++n_turns) {
        CAPTURE(n_turns);
        Harness harness(fake_info(2, 16, 32, 4, depth));
        for (int id = 1; id <= 2; ++id)
            harness.add(drafted(make_request(id, make_prompt(4, id), 25), 4, Guesses::mixed));
        harness.add(drafted(make_request(3, make_prompt(4, 3), 20), 4, Guesses::right));
        for (int i = 0; i < n_turns; ++i) harness.step();
        harness.launch();
        harness.scheduler.cancel(1), harness.streams.erase(1);
        harness.scheduler.hold(2);
        harness.check();
        harness.add(make_request(4, make_prompt(16, 4), 13));  // 14 of 16 blocks in the end
        while (!harness.scheduler.idle()) harness.step();
        harness.scheduler.resume(2);
        harness.run();
        harness.check_outputs();
        CHECK(harness.scheduler.counters().preemptions > 0);
    }
}

TEST_CASE("speculation: one that follows does not wait for what is a guess") {
    Harness harness(fake_info(2, 64, 32, 4, 2));
    GenerationRequest first = make_request(1, make_prompt(5), 20);
    std::vector<int32_t> all = make_prompt(5);
    for (const int32_t token : expected_output(first)) all.push_back(token);
    harness.add(drafted(first, 5, Guesses::right));
    harness.step();
    harness.collect();  // a step of the first token, which was not known then
    REQUIRE(harness.launch());
    REQUIRE(row_of(harness, 1).n_drafts == 5);
    harness.add(make_request(2, all, 2));  // the guesses among its prompt
    REQUIRE(harness.launch());
    CHECK(harness.find(2)->leader == nullptr);
    CHECK(harness.state(2) == SequenceState::decode);
    harness.run();
    harness.check_outputs();
}

TEST_CASE("speculation: numbers that are not finite after a wrong guess are nobody's") {
    for (const bool is_right : {false, true}) {
        CAPTURE(is_right);
        Harness harness(fake_info(4, 64, 32, 4));
        const GenerationRequest request = make_request(1, make_prompt(5), 20);
        harness.add(drafted(request, 3, is_right ? Guesses::right : Guesses::wrong));
        harness.step();
        harness.backend.after_collect = [](StepResult& result) {
            REQUIRE(result.samples.size() == 4);
            result.samples[2].token = kNotANumber;
        };
        harness.step();
        harness.backend.after_collect = nullptr;
        if (is_right) {
            CHECK(harness.streams[1].finish == FinishReason::error);
            CHECK(harness.streams[1].output.size() == 3);
            CHECK(harness.scheduler.blocks().find_prefix(make_prompt(5), "").blocks.empty());
            CHECK(harness.scheduler.blocks().n_free() == 64);
        } else {
            harness.run();
            harness.check_outputs();
        }
    }
}

TEST_CASE("speculation: a sequence that awaits its last token stops nobody else") {
    for (const int depth : {2, 3}) {
        CAPTURE(depth);
        Harness harness(fake_info(4, 64, 16, 4, depth));
        GenerationRequest awaiting = make_request(1, make_prompt(5, 1), 40);
        awaiting.awaits_last_token = true;
        harness.add(awaiting);
        harness.add(make_request(2, make_prompt(5, 2), 40));
        for (int i = 0; i < 13; ++i) harness.step();
        CHECK(harness.streams[2].output.size() == 13);
        CHECK(harness.streams[1].output.size() == static_cast<size_t>((12 + depth) / depth));
        harness.run();
        harness.check_outputs();
    }
}

TEST_CASE("speculation: one that awaits its last token, alone, waits for it") {
    Harness harness(fake_info(4, 64, 16, 4, 2));
    GenerationRequest request = make_request(1, make_prompt(5), 4);
    request.awaits_last_token = true;
    harness.add(request);
    for (int i = 0; i < 4; ++i) {
        REQUIRE(harness.launch());
        CHECK_FALSE(harness.launch());
        CHECK(harness.in_flight.back().tokens.back() >= 0);
        harness.collect();
    }
    CHECK(harness.scheduler.idle());
    harness.check_outputs();
}

}  // namespace qwend
