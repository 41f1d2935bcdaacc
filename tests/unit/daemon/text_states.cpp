// Hidden states of texts that are run a piece at a time.

#include "daemon/text_states.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/cpu/cpu_backend.h"
#include "tests/unit/hashed_checkpoint.h"
#include "tests/unit/slow_hidden_states.h"

using namespace qwend;

namespace {

TokenTexts make_texts() {
    TokenTexts texts;
    for (int length : {5, 70, 32, 1}) {
        std::vector<int32_t>& text = texts.emplace_back();
        for (int i = 0; i < length; i++) text.push_back((i * 7919 + 13 * length) % kHashedVocab);
    }
    return texts;
}

/// With no more room than the texts take.
std::unique_ptr<Backend> make_backend(const Checkpoint& checkpoint, const TokenTexts& texts) {
    BackendOptions options;
    options.max_sequences = int(texts.size());
    options.max_step_tokens = step_tokens(texts);
    auto backend = make_cpu_backend(checkpoint, options);
    options.kv_cache_bytes =
        size_t(cached_tokens(texts, options.block_size)) * backend->info().kv_bytes_per_token;
    return make_cpu_backend(checkpoint, options);
}

}  // namespace

TEST_CASE("text_states: those of the forward in double, as far as the texts are run") {
    const HashedCheckpoint hashed({"small", 128, 2, 1, 128, true});
    const TokenTexts texts = make_texts();
    const auto backend = make_backend(*hashed.checkpoint, texts);
    for (bool all : {true, false}) {
        double share = 0;
        const auto states = text_states(*backend, texts, [&](double done) {
            CHECK(done > share);
            share = done;
            return all;
        });
        CHECK((share == 1) == all);
        REQUIRE(states.size() == texts.size());
        for (size_t i = 0; i < texts.size(); i++) {
            const size_t n = all ? texts[i].size() : std::min<size_t>(texts[i].size(), kTextPiece);
            REQUIRE(states[i].size() == n * 128);
            const auto expected = SlowForward(*hashed.checkpoint).hidden_states(texts[i]);
            double error = 0, size = 0;
            for (size_t j = 0; j < states[i].size(); j++) {
                const double value = expected[j / 128][j % 128];
                error += (states[i][j] - value) * (states[i][j] - value), size += value * value;
            }
            CHECK(std::sqrt(error / size) < 0.03);
        }
    }
}
