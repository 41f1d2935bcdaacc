#include "model/backend.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("backend: a batch that wants what the backend cannot do is a broken invariant") {
    SamplingParams params;
    const std::vector<VocabularyMask> masks(1);
    Batch batch;
    batch.sequences.resize(2);
    BatchSequence& row = batch.sequences[1];
    row.sampling = &params;
    BackendInfo plain, able;
    able.max_samples = 3, able.max_draft_rows = 16, able.vocabulary_masks = true;
    CHECK(row.n_samples() == 1);
    CHECK(batch.sequences[0].n_samples() == 0);
    CHECK_NOTHROW(check_capabilities(batch, plain));
    row.n_drafts = 2;
    CHECK(row.n_samples() == 3);
    CHECK_NOTHROW(check_capabilities(batch, able));
    CHECK_THROWS_WITH_AS(check_capabilities(batch, plain),
                         "expected at most 1 samples of a sequence in a step, found 3",
                         std::logic_error);
    row.n_drafts = 0;
    row.masks = masks;
    CHECK_NOTHROW(check_capabilities(batch, able));
    CHECK_THROWS_WITH_AS(check_capabilities(batch, plain), doctest::Contains("masks"),
                         std::logic_error);
    row.masks = {};
    const std::vector<int32_t> targets = {1, 2, 3};
    row.targets = targets;
    able.max_scores = 3;
    CHECK_NOTHROW(check_capabilities(batch, able));
    batch.sequences[0].targets = targets;
    CHECK_THROWS_WITH_AS(check_capabilities(batch, able),
                         "expected at most 3 scores in a step, found 6", std::logic_error);
}
