// The names a folder gives its model.

#include "daemon/served_model.h"

#include <doctest/doctest.h>

#include "temp_dir.h"

using namespace qwend;

TEST_CASE("served_model: the folder's name, however it is written") {
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

TEST_CASE("served_model: a snapshot of a cache has the repository's name") {
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
