// Where API keys come from, and that they never silently go.

#include "daemon/keys.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

struct CredentialsFolder {
    explicit CredentialsFolder(const char* path) { setenv("CREDENTIALS_DIRECTORY", path, 1); }
    ~CredentialsFolder() { unsetenv("CREDENTIALS_DIRECTORY"); }
};

std::filesystem::path write_keys(const TempDir& dir, const char* text, mode_t mode = 0600) {
    const auto file = dir.write("api-keys", text);
    chmod(file.c_str(), mode);
    return file;
}

}  // namespace

TEST_CASE("keys: one a line, blanks around them and comments aside") {
    TempDir dir;
    const auto file = write_keys(dir, "\xEF\xBB\xBF# ours\r\n\n one \r\n\ttwo\nthree");
    CHECK(load_api_keys(file) == std::vector<std::string>{"one", "two", "three"});
    CHECK(is_api_key("two", load_api_keys(file)));
    CHECK_FALSE(is_api_key("tw", load_api_keys(file)));
    CHECK_THROWS_WITH_AS(load_api_keys(write_keys(dir, "# none\n")),
                         doctest::Contains("expected one key a line, found none"), LoadError);
    CHECK_THROWS_WITH_AS(load_api_keys(dir.path() / "x"), doctest::Contains("No such file"),
                         LoadError);
    CHECK_THROWS_WITH_AS(load_api_keys(dir.path()), doctest::Contains("Is a directory"), LoadError);
    for (mode_t mode : {0640, 0604, 0644})
        CHECK_THROWS_WITH_AS(load_api_keys(write_keys(dir, "k", mode)),
                             doctest::Contains("expected mode 0600"), LoadError);
}

TEST_CASE("keys: systemd's credential does where no file is configured, whatever its mode") {
    TempDir dir;
    CHECK(find_api_keys("").keys.empty());
    CredentialsFolder folder(dir.path().c_str());
    CHECK(find_api_keys("").keys.empty());
    const auto file = write_keys(dir, "k", 0440);  // as systemd 254 and later leave it
    CHECK(find_api_keys("").keys == std::vector<std::string>{"k"});
    CHECK(find_api_keys("").is_credential);
    CHECK(find_api_keys(file).is_credential);
    TempDir other;
    const ApiKeys configured = find_api_keys(write_keys(other, "own"));
    CHECK(configured.keys == std::vector<std::string>{"own"});
    CHECK_FALSE(configured.is_credential);
}

TEST_CASE("keys: a reload never turns authentication off") {
    TempDir dir;
    CredentialsFolder folder(dir.path().c_str());
    const auto file = write_keys(dir, "k");
    const ApiKeys now = find_api_keys("");
    std::filesystem::remove(file);
    CHECK_THROWS_WITH_AS(reload_api_keys("", now), doctest::Contains("vanished"), LoadError);
    CHECK_THROWS_AS(reload_api_keys(file, now), LoadError);
    write_keys(dir, "# none");
    CHECK_THROWS_AS(reload_api_keys("", now), LoadError);
    write_keys(dir, "new");
    CHECK(reload_api_keys("", now).keys == std::vector<std::string>{"new"});
    CHECK(reload_api_keys("", ApiKeys()).keys == std::vector<std::string>{"new"});  // from none
}
