// JSON as Python's json.dumps writes it.

#include "model/python_json.h"

#include <doctest/doctest.h>

#include "model/json_document.h"

using namespace qwend;

TEST_CASE("python_json: numbers of any size, any depth, halves of pairs") {
    auto dump = [](std::string_view json) {
        std::string out;
        return append_python_json(out, json) ? out : "invalid";
    };
    CHECK(dump("[18446744073709551616,-99999999999999999999999,-0,1e400,1E5,-1.50]") ==
          "[18446744073709551616, -99999999999999999999999, 0, 1e400, 100000.0, -1.5]");
    const std::string open(kMaxJsonDepth, '['), close(kMaxJsonDepth, ']');
    CHECK(dump(open + close) == open + close);
    CHECK(dump("[" + open + close + "]") == "invalid");
    CHECK(dump(R"({"a" :"\ud83d"})") == "{\"a\": \"\uFFFD\"}");
}
