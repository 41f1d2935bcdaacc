// Forward whose products of o and down are partial: one rank that has everything gives the bits of
// the fused products, and ranks that share a model give what the whole model gives. All ranks are
// on one device here, a thread and a stream each. And Forward whose rows read a prefix together:
// they give what each gives by itself.

#include "gpu/forward.h"

#include <barrier>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "gpu/step_staging.h"
#include "tests/gpu/kernel_test.h"
#include "tests/unit/hashed_checkpoint.h"

using namespace qwend;

namespace {

constexpr int kSequences = 33, kMaxTokens = 320, kBlocksEach = 21;  // KV blocks of a sequence
constexpr int kLongest = kSequences - 1;  // the sequence of a whole chunk of prefill

/// How far a logit may be from the whole model's, in standard deviations of its row. Ranks round no
/// more than one does, but add in another order; now and then that turns a rounding to bf16.
constexpr double kTolerance = 1.0 / 32;
/// Leads of a row's first token, in the same unit, below which another may be first.
constexpr double kLeastLead = 1.0 / 256;

/// Tells the ranks where each other's sums are, when all have them.
class Meeting {
  public:
    explicit Meeting(int n_ranks) : barrier_(n_ranks) {
        for (PartialSums& sums : of_turn_) sums.n_ranks = n_ranks;
    }

    JoinPartialSums join_of(int rank) {
        return [this, rank, turn = size_t(0)](const float* own, int, const Stream& stream) mutable {
            PartialSums& sums = of_turn_[turn++ % 2];
            sums.of_rank[rank] = own;
            stream.synchronize();
            barrier_.arrive_and_wait();
            return sums;
        };
    }
    /// For a rank that will not come again.
    void leave() { barrier_.arrive_and_drop(); }

  private:
    std::barrier<> barrier_;
    PartialSums of_turn_[2] = {};
};

/// A model or a shard of it, as Rank has it, without graphs and sampling.
class Model {
  public:
    Model(const Checkpoint& checkpoint, int rank, int n_ranks, JoinPartialSums join,
          int64_t least_shared = SharedPrefixPlanner::kLeastSavedBytes)
        : device_(use_device(0)),
          shard_(shard_of(checkpoint.config, rank, n_ranks)),
          stream_(device_),
          weights_(checkpoint, shard_, device_, nullptr),
          lanes_(kSequences, kBlocksEach, kHashedVocab, 0),
          forward_(device_, shard_.config, weights_, kMaxTokens, kSequences,
                   kSequences * kBlocksEach, false, std::move(join)),
          staging_(device_, StepSizes{kSequences, kMaxTokens, kSequences, 0, 0, kBlocksEach},
                   {shard_.config.n_heads, shard_.config.n_kv_heads, shard_.config.head_dim}, true,
                   true, least_shared) {
        CUDA_CHECK(cudaDeviceSynchronize());
    }

    /// The logits of a step's samples, end to end.
    std::vector<float> run(const Batch& batch) {
        const auto staged = staging_.stage(batch, lanes_, 0, stream_);
        shares_ = staged.inputs.shared.n_items > 0;
        forward_.launch(staged.inputs, {lanes_.block_tables(), kBlocksEach, lanes_.last_tokens()},
                        stream_);
        std::vector<float> logits(size_t(staged.n_rows) * kHashedVocab);
        CUDA_CHECK(cudaMemcpyAsync(logits.data(), forward_.logits(), logits.size() * sizeof(float),
                                   cudaMemcpyDeviceToHost, stream_));
        stream_.synchronize();
        return logits;
    }
    /// Whether rows of the last step read a prefix together.
    bool shares() const { return shares_; }

  private:
    bool shares_ = false;
    const Device device_;
    const Shard shard_;
    const Stream stream_;
    const DeviceWeights weights_;
    Lanes lanes_;
    Forward forward_;
    StepStaging staging_;
};

/// n ranks that share a model.
class Ranks {
  public:
    Ranks(const Checkpoint& checkpoint, int n) : meeting_(n) {
        for (int rank = 0; rank < n; rank++)
            models_.push_back(std::make_unique<Model>(checkpoint, rank, n, meeting_.join_of(rank)));
    }

    /// The logits of every rank, each computed in a thread.
    std::vector<std::vector<float>> run(const Batch& batch) {
        std::vector<std::vector<float>> logits(models_.size());
        std::exception_ptr failure;
        std::mutex mutex;
        std::vector<std::thread> threads;
        for (size_t rank = 0; rank < models_.size(); rank++)
            threads.emplace_back([&, rank] {
                try {
                    CUDA_CHECK(cudaSetDevice(0));
                    logits[rank] = models_[rank]->run(batch);
                } catch (...) {
                    meeting_.leave();
                    std::lock_guard lock(mutex);
                    failure = std::current_exception();
                }
            });
        for (std::thread& thread : threads) thread.join();
        if (failure) std::rethrow_exception(failure);
        return logits;
    }

  private:
    Meeting meeting_;
    std::vector<std::unique_ptr<Model>> models_;
};

/// Sequences whose steps are put together here; a lane each, and KV blocks of its own, but for
/// those that it shares.
class Sequences {
  public:
    Sequences() : n_computed_(kSequences, 0) { greedy_.temperature = 0; }

    /// A step of the next n_query tokens of each; all are sampled.
    Batch step(const std::vector<int>& sequences, const std::vector<std::vector<int32_t>>& tokens) {
        Batch batch;
        for (size_t i = 0; i < sequences.size(); i++) {
            const int lane = sequences[i];
            int& n = n_computed_[size_t(lane)];
            BatchSequence row;
            row.lane = lane, row.run = uint64_t(lane) + 1, row.sampling = &greedy_;
            row.query_begin = int(batch.tokens.size()), row.n_query = int(tokens[i].size());
            row.n_context = n + row.n_query;
            row.block_table_begin = int(batch.block_tables.size());
            for (int block = 0; block * kBlockTokens < row.n_context; block++)
                batch.block_tables.push_back(block_of(lane, block));
            for (int32_t token : tokens[i]) {
                batch.tokens.push_back(token), batch.positions.push_back(n);
                batch.slots.push_back(block_of(lane, n / kBlockTokens) * kBlockTokens +
                                      n % kBlockTokens);
                n++;
            }
            batch.sequences.push_back(row);
        }
        return batch;
    }

    /// All others have the first blocks of sequence 0, which has computed them.
    void share(int n_blocks) {
        n_shared_ = n_blocks;
        for (size_t lane = 1; lane < n_computed_.size(); lane++)
            n_computed_[lane] = n_blocks * kBlockTokens;
    }

  private:
    int block_of(int lane, int i) const { return i * kSequences + (i < n_shared_ ? 0 : lane); }

    int n_shared_ = 0;
    SamplingParams greedy_;
    std::vector<int> n_computed_;
};

struct Comparison {
    double worst = 0;  // difference of two logits, in standard deviations of the row
    int n_rows = 0, n_equal = 0, n_same_bits = 0;
};

/// Compares logits with those of the whole model, row by row.
void compare(const std::vector<float>& whole, const std::vector<float>& ours, Comparison& result) {
    REQUIRE(ours.size() == whole.size());
    for (size_t begin = 0; begin < whole.size(); begin += kHashedVocab) {
        const float *a = &whole[begin], *b = &ours[begin];
        double sum = 0, squares = 0;
        for (int i = 0; i < kHashedVocab; i++) sum += double(a[i]), squares += double(a[i]) * a[i];
        const double mean = sum / kHashedVocab;
        const double deviation = std::sqrt(squares / kHashedVocab - mean * mean);
        double worst = 0;
        for (int i = 0; i < kHashedVocab; i++) {
            const double off = std::fabs(double(a[i]) - double(b[i])) / deviation;
            worst = std::isfinite(off) ? std::max(worst, off) : INFINITY;
        }
        const auto first = std::max_element(a, a + kHashedVocab) - a;
        const auto ours_first = std::max_element(b, b + kHashedVocab) - b;
        CHECK(worst < kTolerance);
        CHECK((first == ours_first ||
               double(a[first]) - double(a[ours_first]) < kLeastLead * deviation));
        result.worst = std::max(result.worst, worst);
        result.n_rows++, result.n_equal += first == ours_first;
        result.n_same_bits += same_bits(a, b, kHashedVocab);
    }
}

/// The steps that are compared, of tokens that the whole model found where they are decoded: a
/// prefill of many sequences, decode of 1, 5, 8 and 32 of them, a chunk of prefill.
template <class Step>
void for_each_step(Model& whole, Step step) {
    Sequences sequences;
    std::vector<int32_t> last;
    std::vector<int> some;
    std::vector<std::vector<int32_t>> prompts;
    for (int i = 0; i < kLongest; i++) {
        some.push_back(i), prompts.emplace_back();
        for (int j = 0; j < 2 + i * 5 % 8; j++) prompts.back().push_back((i * 31 + j * 7) % 383);
    }
    auto run = [&](const char* name, const Batch& batch) {
        const std::vector<float> logits = whole.run(batch);
        last.clear();
        for (auto row = logits.begin(); row < logits.end(); row += kHashedVocab)
            last.push_back(int32_t(std::max_element(row, row + kHashedVocab) - row));
        step(name, batch, logits);
    };
    run("prefill of many", sequences.step(some, prompts));
    for (int n : {32, 8, 5, 1}) {
        some.resize(size_t(n));
        std::vector<std::vector<int32_t>> tokens;
        for (int i = 0; i < n; i++) tokens.push_back({last[size_t(i)]});
        run("decode", sequences.step(some, tokens));
    }
    std::vector<int32_t> chunk;
    for (int i = 0; i < 300; i++) chunk.push_back((i * 7919 + 13) % kHashedVocab);
    run("a chunk of prefill", sequences.step({kLongest}, {chunk}));
}

/// 352 inner columns are eleven units of 32, which no number of ranks shares equally.
std::vector<HashedShape> shared_shapes() {
    return {{"shared_64", 512, 8, 2, 352, true}, {"shared_128", 1024, 8, 4, 640, false}};
}

}  // namespace

TEST_CASE("forward: partial products of a whole model have the bits of fused ones") {
    for (const HashedShape& shape : shared_shapes()) {
        const HashedCheckpoint hashed(shape);
        Model whole(*hashed.checkpoint, 0, 1, nullptr);
        Ranks alone(*hashed.checkpoint, 1);
        for_each_step(whole,
                      [&](const char* name, const Batch& batch, const std::vector<float>& logits) {
                          CAPTURE(shape.name);
                          CAPTURE(name);
                          CAPTURE(batch.sequences.size());
                          Comparison result;
                          compare(logits, alone.run(batch)[0], result);
                          // cuBLASLt's are its own affair: of a chunk, and before sm_90 of more
                          // than eight rows.
                          if (test_device().has_wgmma && batch.tokens.size() <= 256)
                              CHECK(result.n_same_bits == result.n_rows);
                      });
    }
}

TEST_CASE("forward: two and four ranks that share a model give what it gives") {
    for (const HashedShape& shape : shared_shapes())
        for (int n_ranks : {2, 4}) {
            const HashedCheckpoint hashed(shape);
            Model whole(*hashed.checkpoint, 0, 1, nullptr);
            Ranks ranks(*hashed.checkpoint, n_ranks);
            Comparison all;
            for_each_step(
                whole, [&](const char* name, const Batch& batch, const std::vector<float>& logits) {
                    CAPTURE(shape.name);
                    CAPTURE(n_ranks);
                    CAPTURE(name);
                    CAPTURE(batch.sequences.size());
                    const auto of_ranks = ranks.run(batch);
                    for (const auto& others : of_ranks) CHECK(same_bits(others, of_ranks[0]));
                    compare(logits, of_ranks[0], all);
                });
            MESSAGE(shape.name << ", " << n_ranks << " ranks: the worst logit off by " << all.worst
                               << " deviations, " << all.n_equal << " of " << all.n_rows
                               << " greedy tokens equal");
        }
}

TEST_CASE("forward: rows that read a prefix together give what each gives by itself") {
    constexpr int kPrefixBlocks = 16, kSteps = 4;
    for (const HashedShape& shape : shared_shapes()) {
        CAPTURE(shape.name);
        const HashedCheckpoint hashed(shape);
        Model each(*hashed.checkpoint, 0, 1, nullptr),
            together(*hashed.checkpoint, 0, 1, nullptr, 0);
        Sequences sequences;
        Comparison all;
        std::vector<int32_t> last;
        auto run = [&](const Batch& batch, bool shares) {
            const std::vector<float> logits = each.run(batch);
            compare(logits, together.run(batch), all);
            CHECK(!each.shares());
            CHECK(together.shares() == shares);
            last.clear();
            for (auto row = logits.begin(); row < logits.end(); row += kHashedVocab)
                last.push_back(int32_t(std::max_element(row, row + kHashedVocab) - row));
        };
        std::vector<int32_t> prefix;
        for (int i = 0; i < kPrefixBlocks * kBlockTokens; i++)
            prefix.push_back((i * 7919 + 13) % kHashedVocab);
        run(sequences.step({0}, {prefix}), false);
        sequences.share(kPrefixBlocks);
        std::vector<int> lanes;
        std::vector<std::vector<int32_t>> tokens;
        for (int lane = 0; lane < kSequences; lane++) {
            lanes.push_back(lane), tokens.emplace_back();
            for (int j = 0; j < 2 + lane * 5 % 8; j++)
                tokens.back().push_back((lane * 31 + j * 7) % kHashedVocab);
        }
        run(sequences.step(lanes, tokens), false);
        for (int step = 0; step < kSteps; step++) {
            CAPTURE(step);
            for (size_t lane = 0; lane < tokens.size(); lane++) tokens[lane] = {last[lane]};
            run(sequences.step(lanes, tokens), true);
        }
        MESSAGE(shape.name << ": the worst logit off by " << all.worst << " deviations, "
                           << all.n_equal << " of " << all.n_rows << " greedy tokens equal");
    }
}
