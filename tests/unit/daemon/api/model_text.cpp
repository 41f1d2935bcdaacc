// What a folder says of its model besides the weights.

#include "daemon/api/model_text.h"

#include <doctest/doctest.h>

#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("model_text: the folder's name, however it is written") {
    TempDir dir;
    const auto model = dir.path() / "Qwen2.5-0.5B-Instruct";
    std::filesystem::create_directories(model / "x");
    std::filesystem::create_symlink(model, dir.path() / "current");
    const auto name = std::vector<std::string>{"Qwen2.5-0.5B-Instruct"};
    CHECK(folder_names(model) == name);
    CHECK(folder_names(model.string() + "/") == name);
    CHECK(folder_names(model.string() + "//") == name);
    CHECK(folder_names(model / ".") == name);
    CHECK(folder_names(model / "x/..") == name);
    CHECK(folder_names(dir.path() / "current") == name);
    CHECK(folder_names("/") == std::vector<std::string>{"model"});
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(model);
    CHECK(folder_names(".") == name);
    CHECK(folder_names("../Qwen2.5-0.5B-Instruct") == name);
    std::filesystem::current_path(before);
}

TEST_CASE("model_text: a snapshot of a cache has the repository's name") {
    TempDir dir;
    struct Case {
        const char* path;
        std::vector<std::string> names;
    };
    for (auto& c :
         std::vector<Case>{{"models--Qwen--Qwen2.5-0.5B-Instruct/snapshots/"
                            "7ae557604adf67be50417f59c2c2f167def9a775",
                            {"Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"}},
                           {"models--me--a--b/snapshots/0123", {"me/a--b", "a--b"}},
                           {"models--gpt2/snapshots/0123", {"gpt2"}},
                           {"datasets--x--y/snapshots/0123", {"0123"}},
                           {"models--x--y/other/0123", {"0123"}},
                           {"Qwen/Qwen2___5-0___5B-Instruct", {"Qwen2.5-0.5B-Instruct"}}}) {
        std::filesystem::create_directories(dir.path() / c.path);
        CHECK(folder_names(dir.path() / c.path) == c.names);
        CHECK(folder_names((dir.path() / c.path).string() + "/") == c.names);
    }
}

TEST_CASE("model_text: a chat ends with the tokenizer's eos_token as well") {
    TempDir dir;
    for (auto name : {"config.json", "tokenizer.json"})
        std::filesystem::copy_file(std::filesystem::path("tests/demo-model") / name,
                                   dir.path() / name);
    Options options;
    options.model = dir.path().string();
    auto load = [&] { return load_model_text(options); };
    using Ids = std::vector<int32_t>;
    CHECK(load().chat_eos_token_ids == Ids{6060});
    dir.write("generation_config.json", R"({"eos_token_id":6058})");
    CHECK(load().chat_eos_token_ids == Ids{6058});
    dir.write("special_tokens_map.json", R"({"eos_token":"<|im_start|>"})");
    CHECK(load().chat_eos_token_ids == Ids{6058, 6059});
    for (auto field : {R"("<|im_end|>")", R"({"content":"<|im_end|>","lstrip":false})"}) {
        dir.write("tokenizer_config.json", "{\"eos_token\":" + std::string(field) + "}");
        CHECK(load().eos_token_ids == Ids{6058});
        CHECK(load().chat_eos_token_ids == Ids{6058, 6060});
    }
    dir.write("tokenizer_config.json", R"({"eos_token":"<|im_end|>","split_special_tokens":true})");
    CHECK(load().chat_eos_token_ids == Ids{6058, 6060});
    dir.write("tokenizer_config.json", R"({"eos_token":"<|endoftext|>"})");
    CHECK(load().chat_eos_token_ids == Ids{6058});
    // One that the tokenizer does not have is added to it.
    const int32_t next = load().tokenizer.size();
    dir.write("tokenizer_config.json", R"({"eos_token":"no single token"})");
    CHECK(load().chat_eos_token_ids == Ids{6058, next});
    dir.write("tokenizer_config.json", R"({"eos_token":7})");
    CHECK_THROWS_WITH_AS(load(), doctest::Contains("eos_token"), LoadError);
}
