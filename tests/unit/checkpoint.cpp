// config.json, safetensors and the names and shapes of weights: good folders and hostile ones.

#include <doctest/doctest.h>

#include "hashed_checkpoint.h"
#include "model/config.h"
#include "model/error.h"
#include "model/json.h"
#include "model/safetensors.h"
#include "temp_dir.h"

using namespace qwend;

namespace {

const std::string kConfig =
    R"({"architectures":["Qwen2ForCausalLM"],"vocab_size":100,"hidden_size":64,)"
    R"("intermediate_size":128,"num_hidden_layers":1,"num_attention_heads":4,)"
    R"("num_key_value_heads":2,"max_position_embeddings":512,"rms_norm_eps":1e-6,)"
    R"("rope_theta":1000000.0,"eos_token_id":[7,9]})";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

std::string file_of(const std::string& header, const std::string& data) {
    std::string file(8, '\0');
    for (int i = 0; i < 8; i++) file[size_t(i)] = char(header.size() >> (8 * i));
    return file + header + data;
}

std::string message_of(const std::string& file) {
    try {
        parse_safetensors(file, "f");
    } catch (const LoadError& error) {
        return error.what();
    }
    return "accepted";
}

#define CHECK_SAYS(message, part) CHECK_MESSAGE((message).find(part) != std::string::npos, message)

}  // namespace

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
             {"\"vocab_size\":100,", "", "expected the field \"vocab_size\""},
             {"\"hidden_size\":64", "\"hidden_size\":\"64\"", "expected an integer"},
             {"\"num_attention_heads\":4", "\"num_attention_heads\":5", "multiple of"},
             {"\"num_key_value_heads\":2", "\"num_key_value_heads\":3", "multiple of"},
             {"\"rms_norm_eps\":1e-6", "\"rms_norm_eps\":-1", "rms_norm_eps"},
             {"\"eos_token_id\":[7,9]", "\"use_sliding_window\":true", "sliding"},
             {"\"eos_token_id\":[7,9]", "\"rope_scaling\":{\"type\":\"linear\"}", "found linear"},
             {"\"eos_token_id\":[7,9]", "\"hidden_act\":\"gelu\"", "found gelu"},
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

TEST_CASE("safetensors: a good file") {
    const std::string file = file_of(
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[],"data_offsets":[12,16]},)"
        R"("a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}})",
        std::string(16, 'x'));
    const auto tensors = parse_safetensors(file, "f");
    REQUIRE(tensors.size() == 2);
    CHECK(tensors.at("a").shape == std::vector<int64_t>{2, 3});
    CHECK(tensors.at("a").n_bytes == 12);
    CHECK(tensors.at("b").dtype == DType::f32);
}

TEST_CASE("safetensors: hostile headers are refused with the reason") {
    auto one = [](const char* entry, size_t n = 12) {
        return message_of(file_of(std::string("{\"a\":") + entry + "}", std::string(n, 'x')));
    };
    CHECK_SAYS(message_of(""), ("too short"));
    CHECK_SAYS(message_of("abc"), ("too short"));
    CHECK_SAYS(message_of(std::string(8, '\xFF')), ("header of"));
    CHECK_SAYS(message_of(file_of("[]", "")), ("object at the top"));
    CHECK_SAYS(message_of(file_of("{\"a\":", "")), ("not valid JSON"));
    CHECK_SAYS(one("1"), ("expected an object"));
    CHECK_SAYS(one(R"({"dtype":"I8","shape":[12],"data_offsets":[0,12]})"), ("found I8"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"), ("truncated"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,12]})"), ("expected 16"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[12,0]})"), ("data_offsets"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[-3],"data_offsets":[0,12]})"), ("impossible"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,12]})"),
               ("impossible"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})", 13), ("expected 12"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"), ("hole of 4"));
    CHECK_SAYS(one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,3],"data_offsets":[0,12]})"),
               ("dimensions"));
    CHECK_SAYS(message_of(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                  R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                                  std::string(12, 'x'))),
               ("overlaps"));
    CHECK_SAYS(message_of("version https://git-lfs.github.com/spec/v1\n"), ("git lfs pull"));
}

TEST_CASE("safetensors: shards by their index, which names plain files only") {
    TempDir dir;
    dir.write("a.safetensors",
              file_of(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "abcd"));
    dir.write("b.safetensors",
              file_of(R"({"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "efgh"));
    dir.write("model.safetensors.index.json",
              R"({"weight_map":{"x":"a.safetensors","y":"b.safetensors"}})");
    const SafetensorsFiles files = SafetensorsFiles::open(dir.path());
    REQUIRE(files.find("y"));
    CHECK(char(*files.find("y")->data) == 'e');
    CHECK(files.find("z") == nullptr);
    CHECK(files.total_bytes() == 8);
    for (auto name : {"../a.safetensors", "/etc/passwd", "", ".hidden"}) {
        dir.write("model.safetensors.index.json",
                  std::string(R"({"weight_map":{"x":")") + name + "\"}}");
        CHECK_THROWS_WITH_AS(SafetensorsFiles::open(dir.path()),
                             doctest::Contains("plain file name"), LoadError);
    }
    TempDir empty;
    empty.write("model.gguf", "x");
    CHECK_THROWS_WITH_AS(SafetensorsFiles::open(empty.path()), doctest::Contains("model.gguf"),
                         LoadError);
}

TEST_CASE("weights: a missing or misshapen tensor is named with both shapes") {
    HashedCheckpoint good(golden_shapes()[0]);
    CHECK(good.checkpoint->weights.layers.size() == 2);
    CHECK(good.checkpoint->weights.lm_head.data == good.checkpoint->weights.embedding.data);
    TempDir dir;
    dir.write("config.json", kConfig);
    dir.write("model.safetensors", file_of("{}", ""));
    CHECK_THROWS_WITH_AS(open_checkpoint(dir.path()),
                         doctest::Contains("expected shape [100, 64], found no such tensor"),
                         LoadError);
    dir.write("model.safetensors",
              file_of(R"({"model.embed_tokens.weight":{"dtype":"F32","shape":[2,1],)"
                      R"("data_offsets":[0,8]}})",
                      std::string(8, 'x')));
    CHECK_THROWS_WITH_AS(open_checkpoint(dir.path()), doctest::Contains("found [2, 1]"), LoadError);
}
