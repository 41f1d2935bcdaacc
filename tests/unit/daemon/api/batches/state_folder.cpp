#include "daemon/api/batches/state_folder.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/api/batches/record_id.h"
#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("state_folder: is made, and held by one") {
    const TempDir dir;
    const auto root = dir.path() / "deep" / "state";
    {
        const StateFolder folder(root);
        CHECK(std::filesystem::is_directory(root / "files"));
        CHECK(std::filesystem::status(root).permissions() == std::filesystem::perms::owner_all);
        CHECK_THROWS_WITH_AS(StateFolder{root}, doctest::Contains("another qwend"), LoadError);
    }
    const StateFolder again(root);
    const auto file = dir.write("file", "");
    CHECK_THROWS_WITH_AS(StateFolder{file}, doctest::Contains("state-directory"), LoadError);
    CHECK_THROWS_AS(StateFolder{file / "below"}, LoadError);
}

TEST_CASE("state_folder: what was there keeps its permissions") {
    const TempDir dir;
    using std::filesystem::perms;
    const perms shared = perms::owner_all | perms::group_all;
    std::filesystem::permissions(dir.path(), shared);
    const StateFolder folder(dir.path());
    CHECK(std::filesystem::status(dir.path()).permissions() == shared);
    CHECK(std::filesystem::status(dir.path() / "files").permissions() == perms::owner_all);
}

TEST_CASE("state_folder: is looked at without being made, and refused as if it were") {
    const TempDir dir;
    const auto root = dir.path() / "deep" / "state";
    CHECK(is_state_folder_free(root));
    CHECK(std::filesystem::is_empty(dir.path()));
    {
        const StateFolder folder(root);
        CHECK(!is_state_folder_free(root));
    }
    CHECK(is_state_folder_free(root));
    CHECK(is_state_folder_free(root / "below"));
    const auto file = dir.write("file", "");
    for (const auto& bad : {file, file / "below"})
        CHECK_THROWS_WITH_AS(is_state_folder_free(bad), doctest::Contains("state-directory"),
                             LoadError);
    std::filesystem::create_directories(dir.path() / "links");
    std::filesystem::create_symlink(file, dir.path() / "links" / "lock");
    CHECK_THROWS_AS(is_state_folder_free(dir.path() / "links"), LoadError);
}

TEST_CASE("state_folder: knows its own files, and removes what was left half") {
    const TempDir dir;
    for (const char* each : {"files", "batches"})
        std::filesystem::create_directory(dir.path() / each);
    const std::string id = make_record_id(kFilePrefix), batch = make_record_id(kBatchPrefix);
    for (const auto& name :
         {"files/" + id + ".json", "files/" + id + ".data", std::string("files/file-1.json"),
          std::string("files/other"), "files/" + id + ".json.tmp", "batches/" + batch + ".json"})
        dir.write(name, "");
    const StateFolder folder(dir.path());
    CHECK(folder.files_with(".json") == std::vector{id});
    CHECK(folder.files_with(".data") == std::vector{id});
    CHECK(folder.batches() == std::vector{batch});
    CHECK(!std::filesystem::exists(dir.path() / ("files/" + id + ".json.tmp")));
    CHECK(std::filesystem::exists(folder.file_record(id)));
    CHECK(std::filesystem::exists(folder.batch_record(batch)));
    CHECK(std::filesystem::exists(dir.path() / "files/other"));
}

TEST_CASE("state_folder: a relative path is below what systemd keeps") {
    unsetenv("STATE_DIRECTORY");
    CHECK(state_root("batches") == "batches");
    setenv("STATE_DIRECTORY", "/var/lib/qwend:/var/lib/other", 1);
    CHECK(state_root("batches") == "/var/lib/qwend/batches");
    CHECK(state_root("/srv/x") == "/srv/x");
    unsetenv("STATE_DIRECTORY");
}
