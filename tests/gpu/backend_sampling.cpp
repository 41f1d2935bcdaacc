// Sampling through the whole CUDA backend: what it draws is what model/sampler draws from the same
// logits, token after token, and does not depend on who else is in the step.

#include <algorithm>
#include <random>

#include "model/sampler.h"
#include "tests/gpu/make_backend.h"
#include "tests/unit/backend_driver.h"

using namespace qwend;

namespace {

class Random {
  public:
    explicit Random(unsigned seed) : engine_(seed) {}
    bool chance(double p) { return std::bernoulli_distribution(p)(engine_); }
    float uniform(double a, double b) {
        return float(std::uniform_real_distribution<double>(a, b)(engine_));
    }
    int below(int n) { return int(engine_() % uint32_t(n)); }

  private:
    std::mt19937 engine_;
};

/// Any parameters, with the log-probabilities of the whole vocabulary.
SamplingParams random_params(Random& random) {
    SamplingParams p;
    p.temperature = random.chance(0.2) ? 0 : random.uniform(0.3, 2);
    if (random.chance(0.5)) p.top_p = random.uniform(0.1, 1);
    if (random.chance(0.3)) p.min_p = random.uniform(0, 0.3);
    if (random.chance(0.5)) p.top_k = 1 + random.below(100);
    if (random.chance(0.5)) p.presence_penalty = random.uniform(-2, 2);
    if (random.chance(0.5)) p.frequency_penalty = random.uniform(-2, 2);
    p.seed = uint64_t(random.below(1 << 30)) << 20;
    for (int id = random.below(100); random.chance(0.3) && id < kHashedVocab; id += 90)
        p.logit_bias.push_back({id, random.uniform(-5, 5)});
    for (int id = random.below(9); random.chance(0.95) && id < 200; id += 7)
        p.allowed_token_ids.push_back(id);
    if (p.allowed_token_ids.size() < 10) p.allowed_token_ids.clear();
    if (random.chance(0.3)) p.min_tokens = 4, p.stop_token_ids = {random.below(kHashedVocab)};
    p.n_logprobs = kHashedVocab;
    return p;
}

std::vector<DrivenStream> random_streams(int n, unsigned seed) {
    Random random(seed);
    std::vector<DrivenStream> streams;
    for (int i = 0; i < n; i++) {
        streams.emplace_back();
        for (int k = random.below(12); k >= 0; k--)
            streams.back().prompt.push_back(random.below(kHashedVocab));
        streams.back().sampling = random_params(random);
    }
    return streams;
}

void run_together(Driver& driver, std::vector<DrivenStream>& streams, size_t n) {
    std::vector<DrivenStream*> all;
    for (DrivenStream& stream : streams) all.push_back(&stream);
    driver.run(all, n);
}

/// What model/sampler draws as token `i`. Log-probabilities stand for the logits: they differ by a
/// constant, which only a repetition penalty would see.
int32_t drawn_by_host(const DrivenStream& stream, size_t i) {
    std::vector<float> logits(kHashedVocab);
    for (const TokenLogprob& entry : stream.samples[i].top)
        logits[size_t(entry.token)] = entry.logprob;
    return sample(logits, stream.sampling, stream.prompt, std::span(stream.output).first(i)).token;
}

}  // namespace

TEST_CASE("cuda_backend: every token is the one model/sampler draws from the step's logits") {
    constexpr size_t kTokens = 20;
    int n_tokens = 0, n_differ = 0;
    for (const HashedShape& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        Driver driver(make, hashed.checkpoint, 4096);
        for (int n : {1, 8, 40, 200}) {
            // Lanes are not given back, so the crowd has a backend to itself.
            Driver own(make, hashed.checkpoint, 4096);
            std::vector<DrivenStream> streams = random_streams(n, unsigned(n));
            run_together(n == 200 ? own : driver, streams, kTokens);
            for (const DrivenStream& stream : streams)
                for (size_t i = 0; i < kTokens; i++) {
                    REQUIRE(stream.samples[i].top.size() == kHashedVocab);
                    n_tokens++, n_differ += drawn_by_host(stream, i) != stream.output[i];
                }
        }
    }
    // The two sum weights with different roundings: a draw on the very edge may differ.
    MESSAGE(n_tokens << " tokens, " << n_differ << " differ");
    CHECK(n_differ <= n_tokens / 200);
}

// A bias of 2^30 rounds every logit away, to multiples of 128 that are the same whatever the rows
// beside it do to the order of additions: then so is everything that is drawn.
TEST_CASE("cuda_backend: a seed gives the same stream alone and among 8, 40 and 200 others") {
    constexpr size_t kTokens = 24;
    HashedCheckpoint hashed(golden_shapes()[1]);
    std::vector<DrivenStream> seeded;
    for (int n_others : {0, 8, 40, 200}) {
        Driver driver(make, hashed.checkpoint, 4096);
        std::vector<DrivenStream> streams = random_streams(n_others, 1000 + unsigned(n_others));
        DrivenStream stream = make_stream(9);
        SamplingParams& p = stream.sampling;
        for (int k = 0; k < 20; k++) p.logit_bias.push_back({k * 19, 0x1p30f + 128 * float(k % 7)});
        p.temperature = 200, p.top_p = 0.95f, p.top_k = 18, p.min_p = 0.05f, p.seed = 12345;
        streams.insert(streams.begin() + n_others / 2, stream);
        run_together(driver, streams, kTokens);
        seeded.push_back(streams[size_t(n_others / 2)]);
        CAPTURE(n_others);
        CHECK(seeded.back().output == seeded.front().output);
    }
    std::vector<int32_t> distinct = seeded[0].output;
    std::sort(distinct.begin(), distinct.end());
    CHECK(std::unique(distinct.begin(), distinct.end()) - distinct.begin() > 4);
}

// Repetition penalties included: up to eight rows the logits themselves have the same bits.
TEST_CASE("cuda_backend: a sampled stream is the same alone and among seven others") {
    for (const HashedShape& shape : golden_shapes()) {
        CAPTURE(shape.name);
        HashedCheckpoint hashed(shape);
        std::vector<DrivenStream> crowd = random_streams(8, 8), alone;
        for (size_t i = 0; i < crowd.size(); i++)
            crowd[i].sampling.repetition_penalty = 0.8f + 0.1f * float(i);
        alone = crowd;
        Driver together(make, hashed.checkpoint, 1), apart(make, hashed.checkpoint, 1);
        run_together(together, crowd, 30);
        for (size_t i = 0; i < alone.size(); i++) {
            apart.run({&alone[i]}, 30);
            CAPTURE(i);
            CHECK(same(crowd[i], alone[i]));
        }
    }
}
