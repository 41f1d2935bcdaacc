// The members of "options": what they set, and what is set where they are absent.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/ollama/parsed.h"

using namespace qwend;

TEST_CASE("ollama_options: what is absent or null is the checkpoint's to say") {
    for (const char* members :
         {"",
          R"("temperature":null,"top_k":null,"top_p":null,"repeat_penalty":null,"seed":null)"}) {
        const ParsedOllama parsed = parsed_options(members);
        CHECK_FALSE(parsed.error);
        CHECK(parsed.sampling().temperature == 0.7f);
        CHECK(parsed.sampling().top_k == 20);
        CHECK(parsed.sampling().top_p == 0.8f);
        CHECK(parsed.sampling().min_p == 0);
        CHECK(parsed.sampling().repetition_penalty == 1.05f);
        CHECK(parsed.generation().stops.empty());
        CHECK(parsed.request.n_unknown_fields == 0);
    }
}

TEST_CASE("ollama_options: what is set") {
    const ParsedOllama parsed = parsed_options(
        R"("temperature":0,"top_k":40,"top_p":0.9,"min_p":0.1,"repeat_penalty":1.2,)"
        R"("presence_penalty":0.5,"frequency_penalty":-0.5,"seed":7,"num_predict":12,)"
        R"("stop":["a","","b"],"typical_p":1.0,"repeat_last_n":64)");
    CHECK(parsed.message() == "no error");
    const SamplingParams& sampling = parsed.sampling();
    CHECK(sampling.temperature == 0);
    CHECK(sampling.top_k == 40);
    CHECK(sampling.top_p == 0.9f);
    CHECK(sampling.min_p == 0.1f);
    CHECK(sampling.repetition_penalty == 1.2f);
    CHECK(sampling.presence_penalty == 0.5f);
    CHECK(sampling.frequency_penalty == -0.5f);
    CHECK(parsed.generation().seed == 7);
    CHECK(parsed.generation().max_tokens == 12);
    CHECK(parsed.generation().stops == std::vector<std::string>{"a", "b"});
}

TEST_CASE("ollama_options: values that mean none, and those beyond a range") {
    CHECK_FALSE(parsed_options(R"("seed":-1)").generation().seed);
    CHECK(parsed_options(R"("seed":-2)").generation().seed == uint64_t(-2));
    for (const char* unlimited : {"-1", "-2", "0"})
        CHECK_FALSE(
            parsed_options(std::string(R"("num_predict":)") + unlimited).generation().max_tokens);
    CHECK(parsed_options(R"("num_predict":99999999999)").generation().max_tokens == 1 << 24);
    CHECK(parsed_options(R"("top_k":-1)").sampling().top_k == 0);
    CHECK(parsed_options(R"("top_k":0)").sampling().top_k == 0);
    CHECK(parsed_options(R"("top_p":2)").sampling().top_p == 1);
    CHECK(parsed_options(R"("top_p":0)").sampling().top_p > 0);
    CHECK(parsed_options(R"("temperature":-1)").sampling().temperature == 0);
    const ParsedOllama off = parsed_options(R"("repeat_penalty":1.5,"repeat_last_n":0)");
    CHECK(off.sampling().repetition_penalty == 1);
}

TEST_CASE("ollama_options: a wrong type is an error that names the option") {
    for (const char* name : {"temperature",
                             "top_p",
                             "min_p",
                             "typical_p",
                             "repeat_penalty",
                             "presence_penalty",
                             "frequency_penalty",
                             "num_predict",
                             "top_k",
                             "seed",
                             "repeat_last_n",
                             "stop",
                             "num_ctx",
                             "num_keep",
                             "num_batch",
                             "num_gpu",
                             "main_gpu",
                             "num_thread",
                             "use_mmap",
                             "draft_num_predict"}) {
        CAPTURE(name);
        for (const char* value : {R"("1")", "{}"}) {
            const ParsedOllama parsed = parsed_options(std::string("\"") + name + "\":" + value);
            CHECK(parsed.message().starts_with(std::string("options.") + name + ": expected "));
        }
        CHECK_FALSE(parsed_options(std::string("\"") + name + "\":null").error);
    }
    CHECK(parsed_options(R"("stop":"a")").message() ==
          "options.stop: expected a list of strings, found \"a\"");
    CHECK(parsed_options(R"("stop":["a",5])").message().starts_with("options.stop[1]: expected"));
    CHECK(parsed_options(R"("num_predict":1.5)").error);
    CHECK(
        parsed_options(R"("typical_p":0.5)").message().starts_with("options.typical_p: not supp"));
    CHECK(parsed_options(R"("repeat_penalty":0)").error);
}

TEST_CASE("ollama_options: stop strings are bounded") {
    std::string stops;
    for (int i = 0; i < 64; i++) stops += "\"a\",";
    CHECK_FALSE(parsed_options("\"stop\":[" + stops + "\"\"]").error);
    CHECK(parsed_options("\"stop\":[" + stops + "\"a\"]").error);
    CHECK(parsed_options("\"stop\":[\"" + std::string(1025, 'a') + "\"]").error);
}

TEST_CASE("ollama_options: what Ollama had once is no unknown option, a mistake is one") {
    const ParsedOllama parsed = parsed_options(
        R"("mirostat":2,"mirostat_tau":"x","tfs_z":0.5,"numa":false,"low_vram":1,"f16_kv":{},)"
        R"("penalize_newline":true,"temprature":1)");
    CHECK_FALSE(parsed.error);
    CHECK(parsed.request.unknown_fields == std::vector<std::string>{"options.temprature"});
}
