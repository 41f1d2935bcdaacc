// What of a message reaches a terminal or the journal.

#include "daemon/log.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("log: what is no text is shown as its bytes") {
    CHECK(printable("model: 你好, é\n  next") == "model: 你好, é\n  next");
    CHECK(printable("\x1B[2J\x07\r\t\x7F") == R"(\x1B[2J\x07\x0D\x09\x7F)");
    CHECK(printable("\xC2\x9B"
                    "2J") == R"(\xC2\x9B2J)");  // the C1 form of ESC [
    CHECK(printable("a\xFF\xC3(\xE4\xBD") == R"(a\xFF\xC3(\xE4\xBD)");
    CHECK(printable(std::string_view("\0", 1)) == R"(\x00)");
    CHECK(printable("").empty());
}
