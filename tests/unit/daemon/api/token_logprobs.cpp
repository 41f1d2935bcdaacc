// One token's probabilities as OpenAI's chat and Ollama write them.

#include "daemon/api/token_logprobs.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

TEST_CASE("token_logprobs: the token, its bytes, and the likeliest") {
    const int32_t hi = ids_of("Hi")[0];
    SampledToken sampled{hi, -0.5f, {{hi, -0.5f}, {ids_of("!")[0], -HUGE_VALF}}};
    std::string out;
    append_token_logprobs(out, sampled, demo().tokenizer, false);
    CHECK(out == R"({"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[)"
                 R"({"token":"Hi","logprob":-0.5,"bytes":[72,105]},)"
                 R"({"token":"!","logprob":-9999,"bytes":[33]}]})");
    out.clear();
    append_token_logprobs(out, {5, 0, {}}, demo().tokenizer, true);
    CHECK(out.starts_with(R"({"token":"token_id:5","logprob":0,"bytes":[)"));
}

TEST_CASE("token_logprobs: bytes that are part of a character are spelled") {
    int n_partial = 0;
    for (int32_t id = 0; id < 256; id++) {
        const TokenName name = token_name(demo().tokenizer, id);
        CHECK(name.is_partial == (name.text.find("\\x") != std::string::npos));
        n_partial += name.is_partial;
    }
    CHECK(n_partial == 128);
    CHECK(token_name(demo().tokenizer, 99999).text == "");
}
