// Why a path cannot be used. What depends on who asks is tests/e2e/test_cli.py's.

#include "daemon/file_access.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cerrno>

#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

TEST_CASE("file_access: a text is read whole, or there is a reason") {
    TempDir dir;
    CHECK(read_text_file(dir.write("a", std::string("x\0y\n", 4))) == std::string("x\0y\n", 4));
    CHECK(read_text_file(dir.write("b", "")).empty());
    CHECK_THROWS_WITH_AS(read_text_file(dir.write("c", std::string(2 << 20, 'x'))),
                         doctest::Contains("expected at most 1 MiB"), LoadError);
    CHECK_THROWS_WITH_AS(read_text_file(dir.path() / "d"), doctest::Contains("No such file"),
                         LoadError);
    CHECK_THROWS_WITH_AS(read_text_file(dir.path()), doctest::Contains("Is a directory"),
                         LoadError);
}

TEST_CASE("file_access: for want of permission it names whose the path is, and who asks") {
    TempDir dir;
    chmod(dir.path().c_str(), 0750);
    const std::string why = why_not_accessible(dir.path(), EACCES);
    CHECK(why.starts_with("Permission denied: " + dir.path().string() + " belongs to "));
    CHECK(why.find("with mode 0750, and qwend runs as ") != std::string::npos);
    CHECK(why_not_accessible(dir.path(), ENOSPC) == "No space left on device");
}

TEST_CASE("file_access: what keeps others from a checkpoint") {
    TempDir dir;
    chmod(dir.path().c_str(), 0755);
    const auto file = dir.write("model.safetensors", "x");
    chmod(file.c_str(), 0644);
    CHECK(closed_to_others(dir.path()).empty());
    CHECK_NOTHROW(check_model_folder(dir.path()));
    chmod(file.c_str(), 0600);
    CHECK(closed_to_others(dir.path()) == file);
    chmod(file.c_str(), 0644);
    const auto other = dir.write("README.md", "x");
    chmod(other.c_str(), 0600);  // of no interest
    CHECK(closed_to_others(dir.path()).empty());
    chmod(dir.path().c_str(), 0754);
    CHECK(closed_to_others(dir.path()) == dir.path());
    CHECK_NOTHROW(check_model_folder(file));
    CHECK(closed_to_others(file) == dir.path());
    chmod(dir.path().c_str(), 0755);
    CHECK(closed_to_others(file).empty());
    chmod(file.c_str(), 0640);
    CHECK(closed_to_others(file) == file);
    CHECK_NOTHROW(check_model_folder(dir.path() / "missing"));  // others say that better
}
