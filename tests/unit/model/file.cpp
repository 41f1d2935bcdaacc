// Files of checkpoints: the system's reason is in every refusal.

#include "model/file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <functional>
#include <vector>

#include "model/error.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// What `act` is refused with, run by a user to whom permissions apply.
std::string refusal_as_nobody(const std::function<void()>& act) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        std::string message = "accepted";
        if (getuid() == 0 && setuid(65534) != 0) message = "cannot become nobody";
        try {
            act();
        } catch (const std::exception& error) {
            message = error.what();
        }
        (void)!write(ends[1], message.data(), message.size());
        _exit(0);
    }
    close(ends[1]);
    std::string message(4096, '\0');
    message.resize(size_t(std::max<ssize_t>(read(ends[0], message.data(), message.size()), 0)));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return message;
}

}  // namespace

TEST_CASE("file: text is read whole") {
    TempDir dir;
    const std::string text(200'000, 'x');
    CHECK(read_file(dir.write("a", text)) == text);
    CHECK(read_file(dir.write("empty", "")).empty());
}

TEST_CASE("file: what cannot be read is refused with the system's reason") {
    TempDir dir;
    dir.write("a", "x");
    CHECK(mkfifo((dir.path() / "pipe").c_str(), 0600) == 0);
    std::filesystem::create_symlink("loop", dir.path() / "loop");
    struct Case {
        std::string path, reason;
    };
    for (auto& c : std::vector<Case>{{"none", "No such file"},
                                     {".", "Is a directory"},
                                     {"a/b", "Not a directory"},
                                     {"loop", "Too many levels"},
                                     {std::string(300, 'x'), "File name too long"},
                                     {"pipe", "expected a regular file"}}) {
        CHECK_THROWS_WITH_AS(read_file(dir.path() / c.path), doctest::Contains(c.reason.c_str()),
                             LoadError);
        CHECK_THROWS_WITH_AS(open_regular_file(dir.path() / c.path),
                             doctest::Contains(c.path.c_str()), LoadError);
    }
    dir.write("lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
    CHECK_THROWS_WITH_AS(read_file(dir.path() / "lfs"), doctest::Contains("git lfs pull"),
                         LoadError);
}

TEST_CASE("file: absent, there, a link to nothing and hidden are told apart") {
    TempDir dir;
    dir.write("a", "x");
    CHECK(file_exists(dir.path() / "a"));
    CHECK_FALSE(file_exists(dir.path() / "b"));
    std::filesystem::create_symlink("../blobs/0123", dir.path() / "link");
    CHECK_THROWS_WITH_AS(file_exists(dir.path() / "link"),
                         doctest::Contains("a link to ../blobs/0123, which does not exist"),
                         LoadError);
    const auto closed = dir.path() / "closed";
    std::filesystem::create_directory(closed);
    std::filesystem::permissions(closed, std::filesystem::perms::none);
    const std::string message = refusal_as_nobody([&] { (void)file_exists(closed / "a"); });
    CHECK_MESSAGE(message.find("Permission denied") != std::string::npos, message);
    std::filesystem::permissions(closed, std::filesystem::perms::owner_all);
}
