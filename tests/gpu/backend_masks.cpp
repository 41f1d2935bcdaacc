// Vocabulary masks through the whole CUDA backend: a mask is a list of allowed ids, whether it
// comes with the batch or after it, for the first time or again.

#include <doctest/doctest.h>

#include <random>

#include "tests/gpu/make_backend.h"
#include "tests/unit/backend_driver.h"

using namespace qwend;

namespace {

SamplingParams random_params(std::mt19937& random) {
    auto one_in = [&](unsigned n) { return random() % n == 0; };
    SamplingParams p;
    p.temperature = one_in(3) ? 0 : 1.5f;
    if (one_in(2)) p.top_k = 1 + int(random() % 50);
    if (one_in(2)) p.top_p = 0.7f;
    if (one_in(2)) p.presence_penalty = 1.5f, p.repetition_penalty = 1.3f;
    if (one_in(3)) p.logit_bias = {{int32_t(random() % kHashedVocab), 3.0f}};
    if (one_in(3)) p.min_tokens = 9, p.stop_token_ids = {int32_t(random() % kHashedVocab)};
    p.n_logprobs = one_in(2) ? 5 : -1;
    p.seed = random();
    return p;
}

}  // namespace

TEST_CASE("cuda_backend: a mask over the vocabulary allows what a list of its ids does") {
    std::mt19937 random(std::random_device{}());
    const size_t n_words = mask_words(kHashedVocab);
    uint64_t n_masks = 0;
    for (const auto& shape : golden_shapes()) {
        HashedCheckpoint hashed(shape);
        Driver driver(make, hashed.checkpoint, 512);
        for (int round = 0; round < 30; round++) {
            DrivenStream stream = make_stream(3 + int(random() % 20));
            stream.sampling = random_params(random);
            driver.run({&stream}, 1);
            std::vector<uint32_t> words(n_words);
            // From a few ids to all of them, and now and then none.
            const auto density = uint32_t(random());
            for (uint32_t& word : words) {
                word = uint32_t(random());
                if (density & 1) word &= uint32_t(random());
                if (density & 2) word &= uint32_t(random() & random());
                if (density & 4) word |= uint32_t(random());
            }
            if (round % 11 == 5) std::fill(words.begin(), words.end(), 0);
            DrivenStream listed = driver.fork(stream);
            for (int32_t id = 0; id < kHashedVocab; id++)
                if (words[size_t(id) / 32] >> (id % 32) & 1)
                    listed.sampling.allowed_token_ids.push_back(id);
            SampledToken expected;
            if (!listed.sampling.allowed_token_ids.empty())
                expected = driver.sample_after(std::move(listed), {}).back();
            ++n_masks;
            const VocabularyMask once{words.data(), 0}, again{words.data(), n_masks};
            for (const bool late : {false, true})
                for (const VocabularyMask& mask : {once, again, again}) {
                    CAPTURE(round);
                    CAPTURE(late);
                    const auto sampled =
                        driver.sample_after(driver.fork(stream), {}, std::span(&mask, 1), late);
                    REQUIRE(sampled.size() == 1);
                    CHECK(same(sampled[0], expected));
                }
            // What is there under a number is not looked at again.
            const std::vector<uint32_t> other(n_words);
            const VocabularyMask known{other.data(), n_masks};
            const auto sampled = driver.sample_after(driver.fork(stream), {}, std::span(&known, 1));
            CHECK(same(sampled.at(0), expected));
        }
    }
}
