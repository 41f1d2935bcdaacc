// JSON as Python's json.dumps writes it.

#include "model/text/python_json.h"

#include <doctest/doctest.h>

#include "model/json_document.h"

using namespace qwend;

TEST_CASE("python_json: numbers of any size, any depth, halves of pairs") {
    auto dump = [](std::string_view json) {
        std::string out;
        return append_python_json(out, json) ? out : "invalid";
    };
    CHECK(
        dump("[18446744073709551616,-99999999999999999999999,-0,1e400,-1e999,1E5,-1.50]") ==
        "[18446744073709551616, -99999999999999999999999, 0, Infinity, -Infinity, 100000.0, -1.5]");
    const std::string open(kMaxJsonDepth, '['), close(kMaxJsonDepth, ']');
    CHECK(dump(open + close) == open + close);
    CHECK(dump("[" + open + close + "]") == "invalid");
    CHECK(dump(R"({"a" :"\ud83d"})") == "{\"a\": \"\uFFFD\"}");
}

TEST_CASE("python_json: a key given twice has its last value at its first place") {
    std::string out;
    CHECK(append_python_json(out, R"({"a":1,"b":{"x":1,"x":{}},"\u0061":[2],"c":0,"a":3})"));
    CHECK(out == R"({"a": 3, "b": {"x": {}}, "c": 0})");
}

TEST_CASE("python_json: numbers and strings as json.dumps writes them") {
    auto dump = [](std::string_view json) {
        std::string out;
        return append_python_json(out, json) ? out : "invalid";
    };
    CHECK(dump(R"({"a":[1,2.0,-3e-7,1e16,1e5],"b":{},"c":[]})") ==
          R"({"a": [1, 2.0, -3e-07, 1e+16, 100000.0], "b": {}, "c": []})");
    CHECK(dump(R"("é\u0001\n\"\\\/")") == R"("é\u0001\n\"\\/")");
    CHECK(dump("18446744073709551615") == "18446744073709551615");
    CHECK(dump("{") == "invalid");
}
