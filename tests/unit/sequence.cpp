#include "daemon/sequence.h"

#include <doctest/doctest.h>

namespace qwend {
namespace {

Sequence make(int priority, uint64_t arrival, int max_tokens = 3,
              std::vector<int32_t> stop_token_ids = {}) {
    GenerationRequest request;
    request.id = 1;
    request.prompt = {10, 11};
    request.max_tokens = max_tokens;
    request.priority = priority;
    request.sampling.stop_token_ids = std::move(stop_token_ids);
    return Sequence(std::move(request), arrival, 5.0);
}

}  // namespace

TEST_CASE("sequence: prompt and output are parts of one list") {
    Sequence sequence = make(0, 0);
    CHECK(sequence.n_output() == 0);
    CHECK(sequence.n_uncomputed() == 2);
    CHECK(sequence.times.submitted == 5.0);
    sequence.append(7);
    CHECK(std::vector(sequence.prompt().begin(), sequence.prompt().end()) ==
          std::vector<int32_t>{10, 11});
    CHECK(std::vector(sequence.output().begin(), sequence.output().end()) ==
          std::vector<int32_t>{7});
    CHECK(sequence.n_uncomputed() == 3);
}

TEST_CASE("sequence: ends at max_tokens or at a stop token, which wins") {
    Sequence sequence = make(0, 0, 3, {42, 43});
    CHECK(sequence.append(1) == FinishReason::none);
    CHECK(sequence.append(2) == FinishReason::none);
    CHECK(sequence.append(3) == FinishReason::length);
    CHECK(make(0, 0, 3, {42, 43}).append(43) == FinishReason::stop);
    CHECK(make(0, 0, 1, {42}).append(42) == FinishReason::stop);
    CHECK(make(0, 0, 1, {10}).append(11) == FinishReason::length);
}

TEST_CASE("sequence: served by priority, then arrival") {
    CHECK(precedes(make(-1, 9), make(0, 1)));
    CHECK(precedes(make(0, 1), make(0, 2)));
    CHECK_FALSE(precedes(make(0, 2), make(0, 1)));
    CHECK_FALSE(precedes(make(0, 1), make(0, 1)));
}

}  // namespace qwend
