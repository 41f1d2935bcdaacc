#pragma once

#include <algorithm>

#include "tests/unit/backend_driver.h"
#include "tests/unit/slow_hidden_states.h"

/// What every backend has to show of the vectors that it makes of texts: they are those of the slow
/// forward in double, causal and not, for every reduction.

namespace qwend {

/// A text whose tokens from `first` on are pooled, and what the slow forward says of it.
struct PooledText {
    std::vector<int32_t> tokens;
    int first;
    Reduction reduction;
    SlowForward::Rows expected;

    /// `rows`: of all tokens.
    PooledText(std::vector<int32_t> tokens, const SlowForward::Rows& rows, int first,
               Reduction reduction)
        : tokens(std::move(tokens)), first(first), reduction(reduction) {
        for (size_t t = size_t(first); t < rows.size(); t++) {
            std::vector<double> row = rows[t];
            if (reduction == Reduction::weighted_sum)
                for (double& value : row) value *= double(t + 1);
            if (reduction == Reduction::each || expected.empty()) {
                expected.push_back(row);
                continue;
            }
            for (size_t i = 0; i < row.size(); i++) {
                double& to = expected[0][i];
                to = reduction == Reduction::max ? std::max(to, row[i]) : to + row[i];
            }
        }
    }
};

/// Appends the tokens from `begin` to `end` of a text in lane `lane`, whose blocks are every
/// `n_lanes`-th. Those that are pooled are, where the text ends here.
inline void add_text(Batch& batch, const PooledText& text, int lane, int n_lanes, int begin,
                     int end) {
    BatchSequence sequence;
    sequence.lane = lane, sequence.run = uint64_t(lane) + 1;
    sequence.query_begin = int(batch.tokens.size());
    sequence.n_query = end - begin, sequence.n_context = end;
    sequence.block_table_begin = int(batch.block_tables.size());
    auto block = [&](int i) { return 1 + i * n_lanes + lane; };
    for (int i = 0; i * 16 < end; i++) batch.block_tables.push_back(block(i));
    for (int t = begin; t < end; t++) {
        batch.tokens.push_back(text.tokens[size_t(t)]), batch.positions.push_back(t);
        batch.slots.push_back(block(t / 16) * 16 + t % 16);
    }
    if (end == int(text.tokens.size())) {
        sequence.reduction = text.reduction;
        sequence.first_pooled = text.first - begin, sequence.n_pooled = end - text.first;
        for (const BatchSequence& before : batch.sequences)
            sequence.vector_begin += before.n_vectors();
    }
    batch.sequences.push_back(sequence);
}

/// Of rows of the same width, the cosine and the ratio of lengths.
inline void check_near(std::span<const float> found, const std::vector<double>& expected) {
    double dot = 0, of_found = 0, of_expected = 0;
    for (size_t i = 0; i < expected.size(); i++) {
        dot += double(found[i]) * expected[i];
        of_found += double(found[i]) * double(found[i]), of_expected += expected[i] * expected[i];
    }
    CHECK(dot / std::sqrt(of_found * of_expected) > 1 - 1e-3);
    CHECK(std::sqrt(of_found / of_expected) == doctest::Approx(1).epsilon(0.01));
}

inline void check_vectors(const StepResult& result, const std::vector<PooledText>& texts) {
    size_t at = 0;
    for (const PooledText& text : texts)
        for (const auto& expected : text.expected) {
            CAPTURE(text.tokens.size());
            CAPTURE(int(text.reduction));
            REQUIRE(at + expected.size() <= result.vectors.size());
            check_near(std::span(result.vectors).subspan(at, expected.size()), expected);
            at += expected.size();
        }
    CHECK(at == result.vectors.size());
}

/// Of many lengths, each reduced in every way, some without their beginning.
inline std::vector<PooledText> pooled_texts(const SlowForward& slow) {
    std::vector<PooledText> texts;
    for (int length : {1, 2, 17, 70}) {
        std::vector<int32_t> tokens;
        for (int i = 0; i < length; i++) tokens.push_back((i * 7919 + length) % kHashedVocab);
        const auto rows = slow.hidden_states(tokens);
        for (Reduction reduction :
             {Reduction::each, Reduction::sum, Reduction::weighted_sum, Reduction::max})
            texts.emplace_back(tokens, rows, texts.size() % 3 == 0 ? length / 2 : 0, reduction);
    }
    return texts;
}

/// All texts in one step; where they may be, also cut into two.
inline void check_vectors_of(const BackendFactory& make, const HashedShape& shape) {
    CAPTURE(shape.name);
    CAPTURE(shape.is_causal);
    HashedCheckpoint hashed(shape);
    const SlowForward slow(*hashed.checkpoint);
    const std::vector<PooledText> texts = pooled_texts(slow);
    BackendOptions options;
    options.max_context = 1024, options.kv_cache_bytes = 256 << 20;
    options.max_step_tokens = 4096, options.max_sequences = 64;
    const auto backend = make(hashed.checkpoint, options);
    REQUIRE(backend->info().is_causal == shape.is_causal);
    REQUIRE(backend->info().samples == shape.is_causal);
    REQUIRE(backend->info().vector_size == shape.hidden);
    const int n_lanes = int(texts.size());
    for (bool is_cut : {false, true}) {
        if (is_cut && !shape.is_causal) continue;
        Batch begins, batch;
        for (int lane = 0; lane < n_lanes; lane++) {
            const PooledText& text = texts[size_t(lane)];
            const int cut = is_cut ? text.first : 0;
            if (cut > 0) add_text(begins, text, lane, n_lanes, 0, cut);
            add_text(batch, text, lane, n_lanes, cut, int(text.tokens.size()));
        }
        StepResult result;
        if (is_cut) {
            backend->step(begins, result);
            CHECK(result.vectors.empty());
        }
        backend->step(batch, result);
        CHECK(result.samples.empty());
        check_vectors(result, texts);
    }
}

inline void check_vectors(const BackendFactory& make) {
    for (HashedShape shape : golden_shapes())
        for (bool is_causal : {true, false}) {
            shape.is_causal = is_causal, shape.tied = shape.tied || !is_causal;
            check_vectors_of(make, shape);
        }
}

}  // namespace qwend
