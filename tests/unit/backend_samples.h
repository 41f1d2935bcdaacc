#pragma once

#include <map>
#include <random>

#include "tests/unit/scheduled_checks.h"

/// What a backend that takes several samples of a sequence a step, and masks, has to show: each
/// sample is the one that a step of its own would give. All to the bit, so for `exact` backends.

namespace qwend {

/// Every kind of parameter that depends on the output so far.
inline SamplingParams hot_params(uint64_t seed) {
    SamplingParams params = greedy_with_logprobs();
    params.temperature = 1.5f, params.seed = seed;
    params.repetition_penalty = 1.3f, params.presence_penalty = 0.5f;
    params.frequency_penalty = 0.5f;
    params.min_tokens = 4;
    for (int32_t id = 0; id < kHashedVocab; id += 2) params.stop_token_ids.push_back(id);
    return params;
}

/// Right drafts give what steps of one token give; a wrong one spoils what follows it, and what it
/// wrote to the cache is written over.
inline void check_drafts(const BackendFactory& make) {
    constexpr size_t kTokens = 9;
    for (const HashedShape& shape : golden_shapes())
        for (const SamplingParams& params : {greedy_with_logprobs(), hot_params(1), hot_params(2)})
            for (int length : {1, 12, 15, 16, 200}) {
                CAPTURE(shape.name);
                CAPTURE(length);
                HashedCheckpoint hashed(shape);
                Driver driver(make, hashed.checkpoint, 512);
                DrivenStream alone = make_stream(length);
                alone.sampling = params;
                driver.run({&alone}, 1);
                const DrivenStream begun = alone;
                auto right = [&](size_t n) {
                    return std::vector(alone.output.begin() + 1, alone.output.begin() + 1 + n);
                };
                driver.run({&alone}, kTokens);
                std::vector<int32_t> drafts = right(kTokens - 2);
                drafts[2] = (drafts[2] + 1) % kHashedVocab;
                const auto spoilt = driver.sample_after(driver.fork(begun), drafts);
                for (size_t i = 0; i < 3; i++) CHECK(same(spoilt[i], alone.samples[i + 1]));
                for (size_t n : {size_t{1}, size_t{3}, kTokens - 2}) {
                    const auto samples = driver.sample_after(driver.fork(begun), right(n));
                    REQUIRE(samples.size() == n + 1);
                    for (size_t i = 0; i <= n; i++) CHECK(same(samples[i], alone.samples[i + 1]));
                }
            }
}

/// The mask of a sample is a list of allowed ids.
inline void check_masks(const BackendFactory& make) {
    std::mt19937 random(1);
    const size_t n_words = mask_words(kHashedVocab);
    HashedCheckpoint hashed(golden_shapes()[1]);
    Driver driver(make, hashed.checkpoint, 512);
    for (uint64_t seed = 0; seed < 10; seed++) {
        DrivenStream stream = make_stream(20 + int(seed));
        stream.sampling = seed % 2 ? hot_params(seed) : greedy_with_logprobs();
        driver.run({&stream}, 1);
        std::vector<int32_t> drafts;
        std::vector<uint32_t> words;
        std::vector<SampledToken> expected;
        for (size_t i = 0; i < 4; i++) {
            for (size_t word = 0; word < n_words; word++) words.push_back(random() & random());
            if (seed == 4 && i == 2) std::fill(words.end() - ptrdiff_t(n_words), words.end(), 0);
            DrivenStream listed = driver.fork(stream);
            for (int32_t id = 0; id < kHashedVocab; id++)
                if (words[i * n_words + size_t(id) / 32] >> (id % 32) & 1)
                    listed.sampling.allowed_token_ids.push_back(id);
            if (listed.sampling.allowed_token_ids.empty())
                expected.emplace_back();
            else
                expected.push_back(driver.sample_after(std::move(listed), drafts).back());
            if (i < 3) drafts.push_back(std::max(expected.back().token, 0));
        }
        std::vector<VocabularyMask> masks;
        for (size_t i = 0; i < 4; i++) masks.push_back({words.data() + i * n_words, 0});
        const auto samples = driver.sample_after(driver.fork(stream), drafts, masks);
        REQUIRE(samples.size() == expected.size());
        for (size_t i = 0; i < samples.size(); i++) CHECK(same(samples[i], expected[i]));
    }
}

/// Guesses the stream as it once went, but for every seventh token.
inline Drafter remembering_drafter(int max_drafts, const ScheduledStream& stream) {
    const auto prompt = stream.request.prompt.tokens();
    std::vector<int32_t> all(prompt.begin(), prompt.end());
    for (const SampledToken& sample : stream.samples) all.push_back(std::max(sample.token, 0));
    for (size_t i = 6; i < all.size(); i += 7) all[i] = (all[i] + 1) % kHashedVocab;
    return {max_drafts,
            [all = std::move(all)](const DraftQuery& query, std::vector<int32_t>& drafts) {
                const size_t begin = query.tokens.size();
                const size_t end = std::min(all.size(), begin + size_t(query.n_most));
                for (size_t i = begin; i < end; i++) drafts.push_back(all[i]);
                return DraftSource::repetition;
            }};
}

/// Of the demo model's, of several kinds.
inline std::vector<GenerationRequest> demo_requests() {
    std::vector<GenerationRequest> requests;
    for (SequenceId id = 1; id <= 6; id++) {
        requests.push_back(greedy_request(id, 5 + 4 * int(id), 24));
        SamplingParams& params = requests.back().sampling;
        if (id % 3 != 0) params = SamplingParams{};
        params.seed = id, params.n_logprobs = 5;
        if (id % 3 == 1) params.temperature = 0, params.repetition_penalty = 1.1f;
    }
    return requests;
}

/// What a run of all of them gives, and in how many steps.
struct StreamsOfRun {
    std::map<SequenceId, ScheduledStream> streams;
    uint64_t n_steps;
};
inline StreamsOfRun run_all(Backend& backend, const std::vector<GenerationRequest>& requests) {
    ScheduledRun run(backend, backend.info(), true);
    for (const GenerationRequest& request : requests) run.add(request);
    run.run();
    check_nothing_held(run);
    return {std::move(run.streams), run.n_steps()};
}

/// Streams with drafts, among each other, are those without, in fewer steps. Returns the latter.
inline StreamsOfRun check_drafted_streams(Backend& backend, std::vector<GenerationRequest> requests,
                                          int max_drafts = 4) {
    const StreamsOfRun plain = run_all(backend, requests);
    for (GenerationRequest& request : requests)
        request.drafter = remembering_drafter(max_drafts, plain.streams.at(request.id));
    const StreamsOfRun drafted = run_all(backend, requests);
    for (const auto& [id, stream] : plain.streams) {
        CAPTURE(id);
        TextCount count;
        check_text(drafted.streams.at(id), stream, true, count);
    }
    MESSAGE(drafted.n_steps << " steps with drafts, " << plain.n_steps << " without");
    CHECK(2 * drafted.n_steps < plain.n_steps);
    return plain;
}

/// And one that is cut anywhere goes on in a fresh scheduler as if it had not been.
inline void check_stream_is_pure(Backend& backend, const std::vector<GenerationRequest>& requests) {
    const StreamsOfRun plain = check_drafted_streams(backend, requests);
    for (const GenerationRequest& request : requests) {
        const ScheduledStream& whole = plain.streams.at(request.id);
        for (size_t n = 0; n < whole.samples.size(); n++) {
            CAPTURE(request.id);
            CAPTURE(n);
            GenerationRequest resumed = request;
            for (size_t i = 0; i < n; i++) resumed.output.push_back(whole.samples[i].token);
            if (n % 3 == 0) resumed.drafter = remembering_drafter(4, whole);
            const StreamsOfRun rest = run_all(backend, {resumed});
            const ScheduledStream& stream = rest.streams.at(request.id);
            REQUIRE(stream.samples.size() == whole.samples.size() - n);
            CHECK(stream.finish == whole.finish);
            for (size_t i = 0; i < stream.samples.size(); i++)
                CHECK(same(stream.samples[i], whole.samples[n + i]));
        }
    }
}

}  // namespace qwend
