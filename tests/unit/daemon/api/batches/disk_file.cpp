#include "daemon/api/batches/disk_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("disk_file: is read and written anywhere") {
    const TempDir dir;
    DiskFile file = DiskFile::create(dir.path() / "a");
    CHECK(file.size() == 0);
    file.write(0, "hello");
    file.write(5, " world");
    file.sync();
    CHECK(file.read(6, 100) == "world");
    CHECK(file.read(2, 3) == "llo");
    CHECK(file.read(50, 3) == "");
    file.truncate(5);
    DiskFile moved = std::move(file);
    CHECK(moved.size() == 5);
    CHECK(DiskFile::open(dir.path() / "a").read(0, 9) == "hello");
}

TEST_CASE("disk_file: what fails names the file") {
    const TempDir dir;
    CHECK_THROWS_WITH_AS((void)DiskFile::open(dir.path() / "none"), doctest::Contains("none"),
                         std::system_error);
    const DiskFile file = DiskFile::open(dir.write("a", "x"));
    CHECK_THROWS_AS(DiskFile::open(dir.path() / "a").write(0, "y"), std::system_error);
    std::filesystem::create_symlink(dir.path() / "a", dir.path() / "link");
    CHECK_THROWS_AS((void)DiskFile::open(dir.path() / "link"), std::system_error);
}

TEST_CASE("disk_file: a file is replaced as a whole") {
    const TempDir dir;
    const auto path = dir.write("a", "old and long");
    dir.write("a.tmp", "a leftover of some length");
    replace_file(path, "new");
    CHECK(DiskFile::open(path).read(0, 99) == "new");
    CHECK(!std::filesystem::exists(dir.path() / "a.tmp"));
    CHECK_THROWS_AS(replace_file(dir.path() / "no" / "folder", "x"), std::system_error);
}
