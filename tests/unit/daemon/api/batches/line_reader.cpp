#include "daemon/api/batches/line_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

/// Each line with its number, and a mark: '!' is too long, '~' has no end of its own.
std::string lines_of(std::string_view text, size_t max_line) {
    const TempDir dir;
    LineReader reader(DiskFile::open(dir.write("a", text)), max_line);
    std::string out;
    uint64_t offset = 0;
    while (const auto line = reader.next()) {
        out += fmt::format("{}{}{}{} ", line->number, line->too_long ? "!" : "",
                           line->ended ? "" : "~", line->text.substr(0, 9));
        CHECK(reader.offset() > offset);
        offset = reader.offset();
    }
    CHECK(offset == text.size());
    return out;
}

}  // namespace

TEST_CASE("line_reader: lines, however they end") {
    CHECK(lines_of("", 10) == "");
    CHECK(lines_of("a\nb\r\n\nc", 10) == "1a 2b 3 4~c ");
    CHECK(lines_of("a\n", 10) == "1a ");
}

TEST_CASE("line_reader: what is too long is left out, whatever is around it") {
    for (const size_t n : {11, 1 << 18, (1 << 18) + 1, 3 << 20}) {
        const std::string text = "a\n" + std::string(n, 'x') + "\nb\n";
        CHECK(lines_of(text, 10) == "1a 2! 3b ");
        CHECK(lines_of(text, n) == "1a 2xxxxxxxxx 3b ");
    }
    CHECK(lines_of(std::string(1 << 20, 'x'), 10) == "1!~ ");
}

TEST_CASE("line_reader: the place behind a line is where the next begins") {
    const TempDir dir;
    LineReader reader(DiskFile::open(dir.write("a", "one\ntwo\nthree")), 10);
    (void)reader.next();
    CHECK(reader.offset() == 4);
    (void)reader.next();
    CHECK(reader.offset() == 8);
}
