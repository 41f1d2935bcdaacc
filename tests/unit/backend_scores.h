#pragma once

#include "tests/unit/scheduled_checks.h"

/// What a backend that scores prompts has to show: a token that is given gets what one that is
/// sampled gets, wherever the prompt is cut, and nobody beside it sees that it was scored.

namespace qwend {

/// The request's prompt and what came of it, as a prompt that is scored.
inline GenerationRequest scoring_request(const ScheduledStream& stream) {
    GenerationRequest request = stream.request;
    const auto prompt = stream.request.prompt.tokens();
    std::vector<int32_t> text(prompt.begin(), prompt.end());
    for (const SampledToken& sampled : stream.samples) text.push_back(sampled.token);
    request.prompt = std::move(text);
    request.n_prompt_logprobs = kHashedVocab;
    request.max_tokens = 1;
    return request;
}

inline void check_score(const ScoredToken& score, const SampledToken& sampled, bool exact) {
    const SampledToken& given = score.given;
    REQUIRE(given.token == sampled.token);
    if (exact)
        CHECK(same(given, sampled));
    else
        CHECK(divergence(sampled, given) < kClose);
    // Equal numbers are in the order of ids, so its rank is its place.
    REQUIRE(score.rank >= 1);
    REQUIRE(size_t(score.rank) <= given.top.size());
    CHECK(given.top[size_t(score.rank) - 1].token == given.token);
    CHECK(given.top[size_t(score.rank) - 1].logprob == given.logprob);
}

/// Each prompt scored is as long as its text, and says of the text's end what sampling it said.
inline void check_scores_of(const ScheduledRun& scored, const ScheduledRun& sampled, bool exact) {
    for (const auto& [id, stream] : sampled.streams) {
        CAPTURE(id);
        const ScheduledStream& again = scored.streams.at(id);
        const size_t n_prompt = stream.request.prompt.size(), n_output = stream.samples.size();
        REQUIRE(again.scores.size() == n_prompt + n_output - 1);
        for (size_t i = 0; i < n_output; i++) {
            CAPTURE(i);
            check_score(again.scores[n_prompt - 1 + i], stream.samples[i], exact);
        }
    }
}

/// Streams of several lengths, each scored after it was sampled: with as many scores a step as the
/// backend takes and with few, so that prompts are cut; and in a pool where they are preempted.
inline void check_scores(const BackendFactory& make, bool exact) {
    for (const HashedShape& shape : golden_shapes()) {
        CAPTURE(shape.name);
        HashedCheckpoint hashed(shape);
        auto backend = make_scheduled(make, hashed);
        BackendInfo few = backend->info(), tight = few;
        few.max_scores = 7, tight.max_scores = 20, tight.n_blocks = 20;
        ScheduledRun sampled(*backend, backend->info(), true);
        for (int i = 1; i <= 8; i++)
            sampled.add(greedy_request(SequenceId(i), 1 + 17 * (i - 1), 9));
        sampled.run();
        for (const BackendInfo& info : {backend->info(), few, tight}) {
            CAPTURE(info.max_scores);
            ScheduledRun scored(*backend, info, true);
            for (const auto& [id, stream] : sampled.streams) scored.add(scoring_request(stream));
            scored.run();
            check_nothing_held(scored);
            check_scores_of(scored, sampled, exact);
        }
    }
}

/// Streams that decode while others' prompts are scored beside them: what
/// they get is what they get alone.
inline void check_scores_disturb_nobody(const BackendFactory& make, bool exact) {
    HashedCheckpoint hashed(golden_shapes()[0]);
    auto backend = make_scheduled(make, hashed);
    BackendInfo few = backend->info();
    few.max_scores = 5;
    ScheduledRun alone(*backend, backend->info(), true), beside(*backend, few, true);
    for (ScheduledRun* run : {&alone, &beside}) {
        for (int i = 1; i <= 4; i++) run->add(greedy_request(SequenceId(i), 10 + i, 24));
        for (int turn = 0; turn < 3; turn++) run->turn();
        if (run == &beside)
            for (int i = 5; i <= 7; i++) {
                GenerationRequest request = greedy_request(SequenceId(i), 40, 3);
                request.n_prompt_logprobs = 3;
                run->add(request);
            }
        run->run();
    }
    for (int i = 5; i <= 7; i++) {
        CHECK(beside.streams.at(SequenceId(i)).scores.size() == 39);
        CHECK(beside.streams.at(SequenceId(i)).samples.size() == 3);
        beside.streams.erase(SequenceId(i));
    }
    check_texts(beside, alone, exact);
}

}  // namespace qwend
