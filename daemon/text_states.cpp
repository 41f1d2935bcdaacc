#include "daemon/text_states.h"

#include <algorithm>
#include <cstddef>

namespace qwend {

namespace {

/// A text in its lane, with blocks of its own.
struct Lane {
    const std::vector<int32_t>* tokens;
    int index, first_block;
    int n_computed = 0;

    int n_left() const { return int(tokens->size()) - n_computed; }
};

int blocks_of(const std::vector<int32_t>& text, int block_size) {
    return (int(text.size()) + block_size - 1) / block_size;
}

/// Adds the next piece of a text.
void add_piece(Batch& batch, Lane& lane, int block_size, int n_vectors) {
    BatchSequence row;
    row.lane = lane.index, row.run = uint64_t(lane.index) + 1;
    row.query_begin = int(batch.tokens.size());
    row.n_query = row.n_pooled = std::min(kTextPiece, lane.n_left());
    row.n_context = lane.n_computed + row.n_query;
    row.vector_begin = n_vectors;
    for (int position = lane.n_computed; position < row.n_context; position++) {
        batch.tokens.push_back((*lane.tokens)[size_t(position)]);
        batch.positions.push_back(position);
        batch.slots.push_back(lane.first_block * block_size + position);
    }
    row.block_table_begin = int(batch.block_tables.size());
    const int n_blocks = (row.n_context + block_size - 1) / block_size;
    for (int i = 0; i < n_blocks; i++) batch.block_tables.push_back(lane.first_block + i);
    lane.n_computed = row.n_context;
    batch.sequences.push_back(row);
}

}  // namespace

int cached_tokens(const TokenTexts& texts, int block_size) {
    int n_blocks = 2;  // the first is not used, and one more than is needed does no harm
    for (const auto& text : texts) n_blocks += blocks_of(text, block_size);
    return n_blocks * block_size;
}

int step_tokens(const TokenTexts& texts) {
    return int(texts.size()) * kTextPiece;
}

std::vector<std::vector<float>> text_states(Backend& backend, const TokenTexts& texts,
                                            const std::function<bool(double share)>& goes_on) {
    const int block_size = backend.info().block_size;
    const auto width = size_t(backend.info().vector_size);
    std::vector<Lane> lanes;
    size_t n_all = 0, n_done = 0;
    int first_block = 1;
    for (const auto& text : texts) {
        lanes.push_back({&text, int(lanes.size()), first_block});
        first_block += blocks_of(text, block_size), n_all += text.size();
    }
    std::vector<std::vector<float>> states(texts.size());
    for (;;) {
        Batch batch;
        for (Lane& lane : lanes)
            if (lane.n_left() > 0) add_piece(batch, lane, block_size, int(batch.tokens.size()));
        if (batch.tokens.empty()) return states;
        StepResult result;
        backend.step(batch, result);
        for (const BatchSequence& row : batch.sequences) {
            const auto begin = result.vectors.begin() + ptrdiff_t(size_t(row.vector_begin) * width);
            auto& to = states[size_t(row.lane)];
            to.insert(to.end(), begin, begin + ptrdiff_t(size_t(row.n_query) * width));
        }
        n_done += batch.tokens.size();
        if (!goes_on(double(n_done) / double(n_all))) return states;
    }
}

}  // namespace qwend
