#include "daemon/engine/sequence.h"

#include <doctest/doctest.h>

namespace qwend {
namespace {

Sequence make(int priority, uint64_t arrival, int max_tokens = 3,
              std::vector<int32_t> stop_token_ids = {}) {
    GenerationRequest request;
    request.id = 1;
    request.prompt = std::vector<int32_t>{10, 11};
    request.max_tokens = max_tokens;
    request.priority = priority;
    request.sampling.stop_token_ids = std::move(stop_token_ids);
    return Sequence(std::move(request), arrival, 5.0);
}

FinishReason append(Sequence& sequence, int32_t token) {
    sequence.expect_token();
    return sequence.settle_token(token);
}

}  // namespace

TEST_CASE("sequence: prompt and output are parts of one list") {
    Sequence sequence = make(0, 0);
    CHECK(sequence.n_output() == 0);
    CHECK(sequence.n_uncomputed() == 2);
    CHECK(sequence.times.submitted == 5.0);
    sequence.expect_token();
    CHECK(sequence.n_output() == 1);
    CHECK(sequence.output()[0] == -1);
    sequence.settle_token(7);
    CHECK(std::vector(sequence.prompt().begin(), sequence.prompt().end()) ==
          std::vector<int32_t>{10, 11});
    CHECK(std::vector(sequence.output().begin(), sequence.output().end()) ==
          std::vector<int32_t>{7});
    CHECK(sequence.n_uncomputed() == 3);
}

TEST_CASE("sequence: copies of a request share its prompt") {
    GenerationRequest request;
    CHECK(request.prompt.empty());
    request.prompt = std::vector<int32_t>{1, 2, 3};
    const GenerationRequest copy = request;
    CHECK(copy.prompt.size() == 3);
    CHECK(copy.prompt.tokens().data() == request.prompt.tokens().data());
}

TEST_CASE("sequence: ends at max_tokens or at a stop token, which wins") {
    Sequence sequence = make(0, 0, 3, {42, 43});
    CHECK(append(sequence, 1) == FinishReason::none);
    CHECK(append(sequence, 2) == FinishReason::none);
    CHECK(append(sequence, 3) == FinishReason::length);
    auto only = [](Sequence sequence, int32_t token) { return append(sequence, token); };
    CHECK(only(make(0, 0, 3, {42, 43}), 43) == FinishReason::stop);
    CHECK(only(make(0, 0, 1, {42}), 42) == FinishReason::stop);
    CHECK(only(make(0, 0, 1, {10}), 11) == FinishReason::length);
}

TEST_CASE("sequence: placeholders are settled in order, and those after the end are dropped") {
    Sequence sequence = make(0, 0, 3, {42});
    for (int i = 0; i < 3; ++i) sequence.expect_token();
    CHECK(sequence.n_pending == 3);
    CHECK(sequence.n_output() == 3);
    CHECK(sequence.settle_token(7) == FinishReason::none);
    CHECK(sequence.tokens == std::vector<int32_t>{10, 11, 7, -1, -1});
    CHECK(sequence.n_pending == 2);
    SUBCASE("a stop token") {
        CHECK(sequence.settle_token(42) == FinishReason::stop);
        CHECK(sequence.tokens == std::vector<int32_t>{10, 11, 7, 42});
    }
    SUBCASE("the length") {
        CHECK(sequence.settle_token(8) == FinishReason::none);
        CHECK(sequence.settle_token(9) == FinishReason::length);
        CHECK(sequence.tokens == std::vector<int32_t>{10, 11, 7, 8, 9});
    }
    CHECK(sequence.n_pending == 0);
}

TEST_CASE("sequence: ends where no token can be sampled, without one") {
    for (const int32_t token : {kNoToken, kNotANumber}) {
        Sequence sequence = make(0, 0, 9);
        CHECK(append(sequence, 7) == FinishReason::none);
        for (int i = 0; i < 3; ++i) sequence.expect_token();
        CHECK(sequence.settle_token(token) ==
              (token == kNoToken ? FinishReason::stop : FinishReason::error));
        CHECK(sequence.tokens == std::vector<int32_t>{10, 11, 7});
        CHECK(sequence.n_pending == 0);
    }
}

TEST_CASE("sequence: drafts are pending until their samples say which were right") {
    for (int n_right = 0; n_right <= 2; ++n_right) {
        CAPTURE(n_right);
        GenerationRequest request;
        request.prompt = std::vector<int32_t>{10, 11};
        request.output = {12};
        request.max_tokens = 9;
        std::vector<int32_t> seen;
        request.drafter = Drafter{5, [&](const DraftQuery& query, auto& drafts) {
                                      const auto [tokens, n_most, _] = query;
                                      seen.assign(tokens.begin(), tokens.end());
                                      CHECK(n_most == 3);
                                      drafts = {20, 21, 30, 22};  // 30 is outside the vocabulary
                                      return DraftSource::form;
                                  }};
        Sequence sequence(std::move(request), 0, 5.0);
        CHECK_FALSE(sequence.awaits_last_token);
        CHECK(sequence.n_sampled() == 1);
        CHECK(add_drafts(sequence, 3, 0, 30) == 2);
        CHECK(seen == std::vector<int32_t>{10, 11, 12});
        sequence.expect_token();
        CHECK(sequence.n_pending == 3);
        CHECK(sequence.n_known() == 3);
        CHECK(sequence.tokens == std::vector<int32_t>{10, 11, 12, 20, 21, -1});
        std::vector<SampledToken> samples(3);
        for (int i = 0; i < 3; ++i) samples[i].token = i < n_right ? 20 + i : 7;
        CHECK(reject_drafts(sequence, samples) == 2 - n_right);
        CHECK(sequence.n_pending == 1 + n_right);
        for (int i = 0; i <= n_right; ++i) sequence.settle_token(samples[i].token);
        const std::vector<int32_t> all = {10, 11, 12, 20, 21};
        std::vector<int32_t> expected(all.begin(), all.begin() + 3 + n_right);
        expected.push_back(7);
        CHECK(sequence.tokens == expected);
        CHECK(sequence.n_pending == 0);
    }
}

TEST_CASE("sequence: every list of ids that it samples by names one once") {
    CHECK(make(0, 0, 3, {42, 43, 42}).sampling.stop_token_ids == std::vector<int32_t>{42, 43});
}

TEST_CASE("sequence: served by priority, then arrival") {
    CHECK(precedes(make(-1, 9), make(0, 1)));
    CHECK(precedes(make(0, 1), make(0, 2)));
    CHECK_FALSE(precedes(make(0, 2), make(0, 1)));
    CHECK_FALSE(precedes(make(0, 1), make(0, 1)));
}

}  // namespace qwend
