// The tokens between which a model writes what is missing.

#include "daemon/api/fill_in.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

using Ids = std::vector<int32_t>;

TEST_CASE("fill_in: the tokens are the tokenizer's, all three of them or none") {
    const auto tokens = fim_tokens(demo().tokenizer);
    REQUIRE(tokens);
    CHECK(demo().tokenizer.token_bytes(tokens->prefix) == "<|fim_prefix|>");
    CHECK(demo().tokenizer.token_bytes(tokens->suffix) == "<|fim_suffix|>");
    CHECK(demo().tokenizer.token_bytes(tokens->middle) == "<|fim_middle|>");
    CHECK(tokens->ends == Ids{6077, 6078, 6079});
    CHECK_FALSE(fim_tokens(without_fim().tokenizer));
}

TEST_CASE("fill_in: a prompt is what is before, what is after, and then the gap") {
    const FimTokens tokens{1, 2, 3, {}};
    CHECK(fim_prompt(tokens, {7, 8}, {9}) == Ids{1, 7, 8, 2, 9, 3});
    CHECK(fim_prompt(tokens, {}, {9}) == Ids{1, 2, 9, 3});
}
