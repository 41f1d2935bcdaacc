#include "daemon/api/batches/batch_input.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <system_error>
#include <vector>

#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string line(const std::string& id, const std::string& url = "/x") {
    return fmt::format(R"({{"custom_id":"{}","method":"POST","url":"{}","body":{{}}}})", id, url) +
           "\n";
}

BatchCheck checked(const TempDir& dir, const std::string& text, size_t max_line = 1000) {
    BatchCheck check(dir.write("in", text), "/x", max_line);
    while (!check.look_on()) {
    }
    return check;
}

}  // namespace

TEST_CASE("batch_input: a check sees every line, and counts requests") {
    const TempDir dir;
    CHECK(checked(dir, line("a") + "\n \r\n" + line("b")).n_lines() == 2);
    const auto empty = checked(dir, "\n\n");
    REQUIRE(empty.errors().size() == 1);
    CHECK(empty.errors()[0].code == "empty_file");
    const auto bad = checked(
        dir, line("a") + line("b", "/y") + "{\n" + line("a") + std::string(2000, 'x') + "\n");
    REQUIRE(bad.errors().size() == 4);
    CHECK(bad.errors()[0].line == 2);
    CHECK(bad.errors()[1].code == "invalid_json_line");
    CHECK(bad.errors()[2].code == "duplicate_custom_id");
    CHECK(bad.errors()[3].code == "line_too_long");
    CHECK(bad.errors()[3].line == 5);
    CHECK_THROWS_AS(BatchCheck(dir.path() / "none", "/x", 9), std::system_error);
}

TEST_CASE("batch_input: errors and requests are bounded") {
    const TempDir dir;
    std::string many;
    for (int i = 0; i < 1000; i++) many += "{\n";
    CHECK(checked(dir, many).errors().size() == 50);
    many.clear();
    for (int i = 0; i <= BatchCheck::kMaxLines; i++) many += line(std::to_string(i));
    const auto check = checked(dir, many);
    REQUIRE(check.errors().size() == 1);
    CHECK(check.errors()[0].code == "too_many_requests");
}

TEST_CASE("batch_input: what a journal has is not read again") {
    const TempDir dir;
    BatchJournal before(dir.path() / "o", dir.path() / "e");
    before.append(answered_line("1", "r", {200, {}, "{}"}),
                  answered_line("3", "r", {400, {}, "{}"}));
    const BatchJournal journal(dir.path() / "o", dir.path() / "e");
    std::string text;
    for (int i = 0; i < 600; i++) text += line(std::to_string(i));
    BatchInput input(dir.write("in", text), "/x", 1000);
    std::vector<BatchLine> lines;
    int n_reads = 1;
    for (; !input.read_on(journal, lines); n_reads++) {
    }
    CHECK(n_reads > 1);
    REQUIRE(lines.size() == 598);
    CHECK(lines[0].custom_id == "0");
    CHECK(lines[1].custom_id == "2");
    CHECK(lines[2].custom_id == "4");
}
