// config.json and generation_config.json: what is read, what is refused, and with which words.

#include "model/config.h"

#include <doctest/doctest.h>

#include "model/error.h"
#include "tests/unit/checkpoint_files.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("config: reads every number") {
    TempDir dir;
    dir.write("config.json", kConfig);
    const ModelConfig config = load_model_config(dir.path());
    CHECK(config.head_dim == 16);
    CHECK(config.n_kv_heads == 2);
    CHECK(config.rope_theta == 1e6f);
    CHECK(config.eos_token_ids == std::vector<int32_t>{7, 9});
    CHECK_FALSE(config.tie_word_embeddings);
    dir.write("config.json",
              replaced(kConfig, "\"rope_theta\":1000000.0",
                       R"("rope_parameters":{"rope_theta":500.0,"rope_type":"default"})"));
    CHECK(load_model_config(dir.path()).rope_theta == 500.0f);
    dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]",
                                      R"("rope_scaling":{"type":"yarn","factor":4.0,)"
                                      R"("original_max_position_embeddings":512})"));
    CHECK(load_model_config(dir.path()).max_position == 2048);
}

TEST_CASE("config: says what was expected and what was found") {
    struct Case {
        const char *from, *to, *message;
    };
    TempDir dir;
    for (auto& c : std::vector<Case>{
             {"Qwen2ForCausalLM", "LlamaForCausalLM", "found LlamaForCausalLM"},
             {"\"vocab_size\":100", "\"vocab_size\":0", "\"vocab_size\": expected 1"},
             {"\"vocab_size\":100", "\"vocab_size\":null", "expected the field \"vocab_size\""},
             {",\"num_key_value_heads\":2", "", "num_key_value_heads (32)"},
             {"\"hidden_size\":64", "\"hidden_size\":\"64\"", "expected an integer"},
             {"\"num_attention_heads\":4", "\"num_attention_heads\":5", "multiple of"},
             {"\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "multiple of"},
             {"\"rms_norm_eps\":1e-6", "\"rms_norm_eps\":-1", "rms_norm_eps"},
             {"\"eos_token_id\":[7,9]", "\"use_sliding_window\":\"no\"", "expected true or false"},
             {"\"eos_token_id\":[7,9]", "\"eos_token_id\":[\"<|im_end|>\"]", "token ids"},
             {"\"vocab_size\":100", "\"vocab_size\":123456789012345678901", "an integer"},
             {"\"vocab_size\":100", "\"vocab_size\":100.0", "expected an integer"},
             {"Qwen2ForCausalLM", "\xFF", "UTF-8"},
             {"\"eos_token_id\":[7,9]", "\"hidden_act\":\"xielu\"",
              "expected one of silu, swish, gelu, "},
             {"\"eos_token_id\":[7,9]", "\"hidden_act\":\"prelu\"", "found \"prelu\""},
             {"\"eos_token_id\":[7,9]", "\"hidden_act\":[\"silu\"]", "found [\"silu\"]"},
             {"\"eos_token_id\":[7,9]}", "", "not valid JSON"}}) {
        dir.write("config.json", replaced(kConfig, c.from, c.to));
        CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains(c.message),
                             LoadError);
    }
    CHECK_THROWS_WITH_AS(load_model_config("/nonexistent"), doctest::Contains("no such folder"),
                         LoadError);
    dir.write("config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("git lfs pull"),
                         LoadError);
}

TEST_CASE("config: the activation is hidden_act's, and SiLU where that is silent") {
    TempDir dir;
    auto with = [&](const char* fields) {
        dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", fields));
        return load_model_config(dir.path()).activation;
    };
    CHECK(with(R"("eos_token_id":7)") == Activation::silu);
    CHECK(with(R"("hidden_act":null)") == Activation::silu);
    CHECK(with(R"("hidden_act":"silu")") == Activation::silu);
    CHECK(with(R"("hidden_act":"gelu_new")") == Activation::gelu_tanh);
    CHECK(with(R"("hidden_act":"relu2")") == Activation::relu2);
}

TEST_CASE("config: a number that cannot be computed with is refused by name, with its value") {
    TempDir dir;
    // The fields of kConfig, and of those of rope_scaling's kinds.
    const std::string linear = R"("rope_scaling":{"type":"linear","factor":2.0})";
    const std::string yarn =
        R"("rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":512.0,)"
        R"("beta_fast":32.0,"beta_slow":1.0,"mscale":1.0,"mscale_all_dim":1.0,)"
        R"("attention_factor":1.5,"rope_theta":10000.0})";
    struct Case {
        std::string fields, field, value;
        bool zero_is_absent = false;
    };
    const std::string base = R"("eos_token_id":[7,9])";
    for (const Case& c : std::vector<Case>{{base, "vocab_size", "100"},
                                           {base, "hidden_size", "64"},
                                           {base, "intermediate_size", "128"},
                                           {base, "num_hidden_layers", "1"},
                                           {base, "num_attention_heads", "4"},
                                           {base, "num_key_value_heads", "2"},
                                           {base, "max_position_embeddings", "512"},
                                           {base, "rms_norm_eps", "1e-6"},
                                           {base, "rope_theta", "1000000.0"},
                                           {R"("head_dim":16)", "head_dim", "16"},
                                           {linear, "factor", "2.0"},
                                           {yarn, "factor", "4.0"},
                                           {yarn, "original_max_position_embeddings", "512.0"},
                                           {yarn, "beta_fast", "32.0", true},
                                           {yarn, "beta_slow", "1.0", true},
                                           {yarn, "mscale", "1.0", true},
                                           {yarn, "mscale_all_dim", "1.0", true},
                                           {yarn, "attention_factor", "1.5"},
                                           {yarn, "rope_theta", "10000.0"}}) {
        const std::string whole = replaced(kConfig, base, c.fields);
        dir.write("config.json", whole);
        CHECK_NOTHROW(load_model_config(dir.path()));
        const std::string name = "\"" + c.field + "\":";
        for (const char* bad : {"Infinity", "-Infinity", "NaN", "-1", "-0.5", "1e300", "0"}) {
            if (c.zero_is_absent && std::string_view(bad) == "0") continue;
            CAPTURE(c.field);
            CAPTURE(bad);
            dir.write("config.json", replaced(whole, name + c.value, name + bad));
            CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains(c.field.c_str()),
                                 LoadError);
            CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("found"),
                                 LoadError);
        }
    }
    dir.write("config.json", replaced(replaced(kConfig, base, yarn), "512.0", "512.5"));
    CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("found 512.5"),
                         LoadError);
}

TEST_CASE("config: generation defaults, greedy when do_sample is false") {
    TempDir dir;
    CHECK_FALSE(load_generation_defaults(dir.path()).temperature);
    dir.write("generation_config.json",
              R"({"do_sample":true,"temperature":0.7,"top_p":0.8,"top_k":20,"eos_token_id":5})");
    const GenerationDefaults defaults = load_generation_defaults(dir.path());
    CHECK(*defaults.temperature == 0.7f);
    CHECK(*defaults.top_k == 20);
    CHECK_FALSE(defaults.min_p);
    CHECK(defaults.eos_token_ids == std::vector<int32_t>{5});
    dir.write("generation_config.json", R"({"do_sample":false,"temperature":0.7})");
    CHECK(*load_generation_defaults(dir.path()).temperature == 0);
}

TEST_CASE("config: the architecture by name, and where that is silent by model_type") {
    struct Case {
        const char *from, *message;
    };
    TempDir dir;
    const std::string rest = replaced(kConfig, R"({"architectures":["Qwen2ForCausalLM"],)", "");
    for (auto& c : std::vector<Case>{
             {R"({"architectures":["Qwen2ForCausalLM"],)", ""},
             {R"({"architectures":["Other","Qwen2ForCausalLM"],)", ""},
             {R"({"architectures":["Qwen2Model"],"model_type":"qwen2",)", ""},
             {R"({"model_type":"qwen2",)", ""},
             {R"({"architectures":null,"model_type":"qwen2",)", ""},
             {R"({"architectures":[],"model_type":"qwen2",)", ""},
             {R"({"model_type":"llama",)", "found llama"},
             {R"({"model_type":7,)", "found none"},
             {R"({)", "found none"},
             {R"({"architectures":["Qwen2MoeForCausalLM"],)", "found Qwen2MoeForCausalLM"}}) {
        dir.write("config.json", c.from + rest);
        if (*c.message)
            CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains(c.message),
                                 LoadError);
        else
            CHECK_NOTHROW(load_model_config(dir.path()));
    }
}

TEST_CASE("config: a Qwen2 that was trained for something else says so") {
    TempDir dir;
    auto with = [&](const char* begin) {
        dir.write("config.json",
                  begin + replaced(kConfig, R"({"architectures":["Qwen2ForCausalLM"])", ""));
        return load_model_config(dir.path()).other_architecture;
    };
    CHECK(with(R"({"model_type":"qwen2")") == "");
    CHECK(with(R"({"model_type":"qwen2","architectures":["Qwen2Model"])") == "");
    CHECK(with(R"({"model_type":"qwen2","architectures":["Other","Qwen2ForCausalLM"])") == "");
    for (const char* name : {"Qwen2ForTokenClassification", "Qwen2ForQuestionAnswering"}) {
        const std::string names = std::string(R"("architectures":[")") + name + R"(","Other"])";
        CHECK(with((R"({"model_type":"qwen2",)" + names).c_str()) == name);
        CHECK_THROWS_WITH_AS(with(("{" + names).c_str()), doctest::Contains(name), LoadError);
    }
}

TEST_CASE("config: where it is silent, the numbers are Qwen2Config's") {
    TempDir dir;
    dir.write("config.json", R"({"model_type":"qwen2"})");
    const ModelConfig config = load_model_config(dir.path());
    CHECK(config.vocab_size == 151936);
    CHECK(config.hidden_size == 4096);
    CHECK(config.intermediate_size == 22016);
    CHECK(config.n_layers == 32);
    CHECK(config.n_heads == 32);
    CHECK(config.n_kv_heads == 32);
    CHECK(config.head_dim == 128);
    CHECK_FALSE(config.tie_word_embeddings);
    CHECK(config.rms_norm_eps == 1e-6f);
    CHECK(config.rope_theta == 10000.0f);
    CHECK(config.max_position == 32768);
    CHECK(config.eos_token_ids.empty());
    dir.write("config.json", R"({"model_type":"qwen2","num_attention_heads":16,)"
                             R"("num_key_value_heads":null})");
    CHECK(load_model_config(dir.path()).n_kv_heads == 16);
}

TEST_CASE("config: the context is cut to a window that a layer would use") {
    struct Case {
        const char* fields;
        int max_position;
    };
    TempDir dir;
    for (auto& c : std::vector<Case>{
             {R"("use_sliding_window":true,"max_window_layers":0)", 512},  // of 4,096
             {R"("use_sliding_window":true,"sliding_window":128,"max_window_layers":0)", 128},
             {R"("use_sliding_window":true,"sliding_window":512,"max_window_layers":0)", 512},
             {R"("use_sliding_window":true,"sliding_window":null,"max_window_layers":0)", 512},
             {R"("use_sliding_window":true,"sliding_window":128)", 512},  // from layer 28 on
             {R"("use_sliding_window":true,"sliding_window":128,"max_window_layers":1)", 512},
             {R"("layer_types":["sliding_attention"],"use_sliding_window":true,)"
              R"("sliding_window":64)",
              64},
             {R"("layer_types":["full_attention"],"use_sliding_window":true,"sliding_window":8)",
              512},
             {R"("use_sliding_window":false,"sliding_window":128)", 512}}) {
        CAPTURE(c.fields);
        dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", c.fields));
        const ModelConfig config = load_model_config(dir.path());
        CHECK(config.max_position == c.max_position);
        CHECK(config.is_cut == (c.max_position < 512));
    }
    for (const char* fields :
         {R"("layer_types":["sliding_attention"])", R"("layer_types":["linear_attention"])"}) {
        dir.write("config.json", replaced(kConfig, "\"eos_token_id\":[7,9]", fields));
        CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("layer_types"),
                             LoadError);
    }
}

TEST_CASE("config: generation defaults that mean off, and those that mean nothing") {
    struct Case {
        const char* json;
        std::optional<float> temperature, top_p;
        std::optional<int> top_k;
        size_t n_warnings;
    };
    TempDir dir;
    constexpr auto kNone = std::nullopt;
    for (auto& c : std::vector<Case>{
             {R"({"top_k":-1})", kNone, kNone, 0, 0},
             {R"({"top_k":0})", kNone, kNone, 0, 0},
             {R"({"top_k":1000000000})", kNone, kNone, 10'000'000, 0},
             {R"({"top_k":-2})", kNone, kNone, kNone, 1},
             {R"({"top_k":"20","top_p":"0.8","temperature":[1]})", kNone, kNone, kNone, 3},
             {R"({"top_k":null,"top_p":null,"temperature":null})", kNone, kNone, kNone, 0},
             {R"({"top_p":1.5})", kNone, 1.0f, kNone, 0},
             {R"({"top_p":0})", kNone, 1e-9f, kNone, 0},
             {R"({"top_p":-0.1})", kNone, kNone, kNone, 1},
             {R"({"temperature":0})", 0.0f, kNone, kNone, 0},
             {R"({"temperature":-1})", kNone, kNone, kNone, 1},
             {R"({"temperature":NaN})", kNone, kNone, kNone, 1},
             {R"({"top_p":-Infinity,"top_k":Infinity})", kNone, kNone, kNone, 2},
             {R"({"temperature":0.6,"do_sample":false})", 0.0f, kNone, kNone, 0},
             {R"({"temperature":0.6,"do_sample":"yes"})", 0.6f, kNone, kNone, 1},
             {R"({"repetition_penalty":0,"min_p":2})", kNone, kNone, kNone, 2}}) {
        CAPTURE(c.json);
        dir.write("generation_config.json", c.json);
        const GenerationDefaults found = load_generation_defaults(dir.path());
        CHECK(found.temperature == c.temperature);
        CHECK(found.top_p == c.top_p);
        CHECK(found.top_k == c.top_k);
        CHECK(found.warnings.size() == c.n_warnings);
    }
    dir.write("generation_config.json", R"({"eos_token_id":[5,-1,null],"top_k":-7})");
    const GenerationDefaults found = load_generation_defaults(dir.path());
    CHECK(found.eos_token_ids == std::vector<int32_t>{5});
    CHECK(found.warnings[0].find("\"top_k\" is not used") != std::string::npos);
    CHECK(found.warnings[0].find("found -7") != std::string::npos);
    dir.write("generation_config.json", "{");
    CHECK_THROWS_AS(load_generation_defaults(dir.path()), LoadError);
}

TEST_CASE("config: a folder that is none says what it is") {
    TempDir dir;
    const auto file = dir.write("model.bin", "x");
    CHECK_THROWS_WITH_AS(load_model_config(file),
                         doctest::Contains("expected a checkpoint folder or a GGUF file, found"),
                         LoadError);
    CHECK_THROWS_WITH_AS(load_model_config(file / "x"), doctest::Contains("no such folder"),
                         LoadError);
    CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("no config.json"),
                         LoadError);
    std::filesystem::create_directory(dir.path() / "snapshots");
    CHECK_THROWS_WITH_AS(load_model_config(dir.path()), doctest::Contains("folders in snapshots/"),
                         LoadError);
}

TEST_CASE("config: weights are counted, and a head that is the embedding once") {
    ModelConfig config;  // Qwen2.5-0.5B, whose model card says 0.49 billion
    config.vocab_size = 151936;
    config.hidden_size = 896;
    config.intermediate_size = 4864;
    config.n_layers = 24;
    config.n_heads = 14;
    config.n_kv_heads = 2;
    config.head_dim = 64;
    config.tie_word_embeddings = true;
    CHECK(count_parameters(config) == 494'032'768);
    config.tie_word_embeddings = false;
    CHECK(count_parameters(config) == 494'032'768 + 151936LL * 896);
}
