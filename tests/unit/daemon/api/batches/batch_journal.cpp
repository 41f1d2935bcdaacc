#include "daemon/api/batches/batch_journal.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/api/batches/batch_line.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string answer(const std::string& id, int status = 200) {
    return answered_line(id, "r", {status, {}, R"({"text":"hello"})"});
}

}  // namespace

TEST_CASE("batch_journal: what is there is known by the next one") {
    const TempDir dir;
    const auto outputs = dir.path() / "o", errors = dir.path() / "e";
    {
        BatchJournal journal(outputs, errors);
        CHECK(journal.output_bytes() == 0);
        journal.append(answer("a") + answer("b"), answer("c", 400));
        journal.append("", unmade_line("d", "r", "batch_expired", "late"));
        CHECK(journal.error_bytes() == std::filesystem::file_size(errors));
    }
    const BatchJournal journal(outputs, errors);
    for (const char* id : {"a", "b", "c", "d"}) CHECK(journal.has(id));
    CHECK(!journal.has("e"));
    CHECK(journal.n_outputs() == 2);
    CHECK(journal.n_errors() == 1);
    CHECK(journal.n_unmade() == 1);
}

TEST_CASE("batch_journal: wherever a file breaks off, whole lines stay and the rest goes") {
    const TempDir dir;
    const std::string first = answer("a"), second = answer("b");
    const std::string text = first + second;
    for (size_t n = 0; n <= text.size(); n++) {
        const auto outputs = dir.write("o", text.substr(0, n)), errors = dir.path() / "e";
        BatchJournal journal(outputs, errors);
        const size_t n_whole = n == text.size() ? 2 : n >= first.size() ? 1 : 0;
        CHECK(size_t(journal.n_outputs()) == n_whole);
        CHECK(journal.has("a") == (n_whole > 0));
        CHECK(journal.has("b") == (n_whole > 1));
        journal.append(answer("c"), "");
        CHECK(BatchJournal(outputs, errors).n_outputs() == int64_t(n_whole) + 1);
    }
}

TEST_CASE("batch_journal: what is no answer ends what counts") {
    const TempDir dir;
    const auto outputs = dir.write("o", answer("a") + std::string(100, '\0') + "\n" + answer("b"));
    const BatchJournal journal(outputs, dir.path() / "e");
    CHECK(journal.has("a"));
    CHECK(!journal.has("b"));
    CHECK(std::filesystem::file_size(outputs) == answer("a").size());
}
