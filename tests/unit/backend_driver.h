#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>

#include "hashed_checkpoint.h"
#include "model/backend.h"
#include "model/json.h"

/// What every backend has to show, whatever it computes on: the goldens of transformers
/// (tests/golden/logits.json), and that a stream does not depend on its company.

namespace qwend {

struct Stream {
    std::vector<int32_t> prompt, output;
    std::vector<TokenLogprob> first;  // all log-probabilities of the first token
    int n_computed = 0;
    int lane = 0;
    std::vector<int32_t> blocks;
};

using BackendFactory = std::function<std::unique_ptr<Backend>(std::shared_ptr<const Checkpoint>,
                                                              const BackendOptions&)>;

/// Drives sequences through a backend without a scheduler.
class Driver {
  public:
    Driver(const BackendFactory& make, std::shared_ptr<const Checkpoint> checkpoint, int chunk)
        : chunk_(chunk) {
        BackendOptions options;
        options.max_context = 4096;
        options.kv_cache_bytes = 64 << 20;
        options.max_step_tokens = 4096;
        options.max_logprobs = kHashedVocab;
        backend_ = make(std::move(checkpoint), options);
        greedy_.temperature = 0;
        greedy_.n_logprobs = kHashedVocab;
    }

    /// Steps all streams together until each has n tokens of output.
    void run(std::vector<Stream*> streams, size_t n) {
        for (size_t i = 0; i < streams.size(); i++) streams[i]->lane = int(i);
        for (;;) {
            Batch batch;
            std::vector<Stream*> sampled;
            for (Stream* stream : streams)
                if (stream->output.size() < n) add(batch, *stream, sampled);
            if (batch.sequences.empty()) return;
            StepResult result;
            backend_->step(batch, result);
            REQUIRE(result.samples.size() == sampled.size());
            for (size_t i = 0; i < sampled.size(); i++) {
                if (sampled[i]->output.empty()) sampled[i]->first = result.samples[i].top;
                sampled[i]->output.push_back(result.samples[i].token);
            }
        }
    }

  private:
    void add(Batch& batch, Stream& stream, std::vector<Stream*>& sampled) {
        std::vector<int32_t> tokens = stream.prompt;
        tokens.insert(tokens.end(), stream.output.begin(), stream.output.end());
        BatchSequence row;
        row.lane = stream.lane, row.run = 1;
        row.query_begin = int(batch.tokens.size());
        row.n_query = std::min(chunk_, int(tokens.size()) - stream.n_computed);
        row.n_context = stream.n_computed + row.n_query;
        // Blocks are handed out to all in turn, so that no stream's are next to each other.
        while (int(stream.blocks.size()) * 16 < row.n_context)
            stream.blocks.push_back(next_block_++);
        for (int position = stream.n_computed; position < row.n_context; position++) {
            batch.tokens.push_back(tokens[size_t(position)]);
            batch.positions.push_back(position);
            batch.slots.push_back(stream.blocks[size_t(position / 16)] * 16 + position % 16);
        }
        row.block_table_begin = int(batch.block_tables.size());
        batch.block_tables.insert(batch.block_tables.end(), stream.blocks.begin(),
                                  stream.blocks.end());
        stream.n_computed = row.n_context;
        if (row.n_context == int(tokens.size())) {
            row.sampling = &greedy_;
            row.prompt = stream.prompt;
            row.output = stream.output;
            sampled.push_back(&stream);
        }
        batch.sequences.push_back(row);
    }

    std::unique_ptr<Backend> backend_;
    SamplingParams greedy_;
    int chunk_;
    int next_block_ = 1;
};

inline Stream make_stream(int length) {
    Stream stream;
    for (int i = 0; i < length; i++) stream.prompt.push_back((i * 7919 + 13) % kHashedVocab);
    return stream;
}

inline bool same_logprobs(const Stream& a, const Stream& b) {
    if (a.first.size() != b.first.size()) return false;
    for (size_t i = 0; i < a.first.size(); i++)
        if (a.first[i].token != b.first[i].token || a.first[i].logprob != b.first[i].logprob)
            return false;
    return true;
}

/// Logits and greedy continuations are transformers'.
inline void check_goldens(const BackendFactory& make) {
    simdjson::dom::parser parser;
    const std::string text = read_file("tests/golden/logits.json");
    simdjson::dom::array cases;
    REQUIRE(parser.parse(text).get(cases) == simdjson::SUCCESS);
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        double kl_ours = 0, kl_bf16 = 0;
        for (auto golden : cases) {
            if (golden["model"].get_string().value() != shape.name) continue;
            const int length = int(golden["length"].get_int64().value());
            CAPTURE(shape.name);
            CAPTURE(length);
            Driver driver(make, hashed.checkpoint, 512);
            Stream stream = make_stream(length);
            const simdjson::dom::array greedy = golden["greedy"].get_array().value();
            driver.run({&stream}, std::max<size_t>(greedy.size(), 1));
            size_t i = 0;
            for (auto id : greedy) CHECK(stream.output[i++] == id.get_int64().value());
            std::map<int32_t, double> ours;
            for (auto& entry : stream.first) ours[entry.token] = entry.logprob;
            REQUIRE(ours.size() == kHashedVocab);
            int32_t token = 0;
            const simdjson::dom::array logprobs = golden["logprobs"].get_array().value();
            for (auto value : logprobs) {
                const double reference = value.get_double().value();
                kl_ours += std::exp(reference) * (reference - ours[token++]);
            }
            kl_bf16 += golden["kl_bf16"].get_double().value();
        }
        // The promise: no further from fp32 than transformers' own bf16, over all prompt lengths.
        MESSAGE(shape.name << ": KL to fp32 " << kl_ours << ", transformers' bf16 " << kl_bf16);
        CHECK(kl_ours < kl_bf16);
    }
}

/// KL divergence of b's first token's distribution from a's.
inline double divergence(const Stream& a, const Stream& b) {
    std::map<int32_t, double> other;
    for (auto& entry : b.first) other[entry.token] = entry.logprob;
    double sum = a.first.size() == b.first.size() ? 0 : INFINITY;
    for (auto& entry : a.first)
        sum += std::exp(double(entry.logprob)) * (entry.logprob - other[entry.token]);
    return sum;
}
inline constexpr double kClose = 0.01;  // what bf16 products in another order may come to

/// A stream is the same alone, in a crowd and in chunks: the same bits if
/// `exact`, else as close as another order of additions leaves it.
inline void check_company(const BackendFactory& make, bool exact) {
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        std::vector<int> lengths = {1, 2, 15, 16, 17, 63, 64, 65, 130, 1030};
        std::vector<Stream> alone, crowd, chunked;
        for (int length : lengths) {
            alone.push_back(make_stream(length));
            crowd.push_back(make_stream(length)), chunked.push_back(make_stream(length));
        }
        for (Stream& stream : alone) Driver(make, hashed.checkpoint, 4096).run({&stream}, 6);
        std::vector<Stream*> all;
        for (Stream& stream : crowd) all.push_back(&stream);
        Driver(make, hashed.checkpoint, 100).run(all, 6);
        for (Stream& stream : chunked) Driver(make, hashed.checkpoint, 7).run({&stream}, 6);
        for (size_t i = 0; i < lengths.size(); i++) {
            CAPTURE(shape.name);
            CAPTURE(lengths[i]);
            if (exact) {
                CHECK(crowd[i].output == alone[i].output);
                CHECK(chunked[i].output == alone[i].output);
                CHECK(same_logprobs(crowd[i], alone[i]));
                CHECK(same_logprobs(chunked[i], alone[i]));
            } else {
                CHECK(divergence(alone[i], crowd[i]) < kClose);
                CHECK(divergence(alone[i], chunked[i]) < kClose);
            }
        }
    }
}

}  // namespace qwend
