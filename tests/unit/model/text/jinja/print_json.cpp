// JSON as Python's json.dumps writes what json.loads has read.

#include <doctest/doctest.h>

#include <string>

#include "model/json_document.h"
#include "model/text/jinja/from_json.h"
#include "model/text/jinja/print.h"

using namespace qwend;
using namespace qwend::jinja;

namespace {

std::string dump(std::string_view json, const JsonStyle& style = {}) {
    JsonDocument document;
    if (document.parse(json)) return "invalid";
    Workspace work;
    TextBuilder out(work);
    print_json(out, from_json(work, document.root()), style);
    return out.take_bytes();
}

}  // namespace

TEST_CASE("print_json: numbers of any size, any depth, halves of pairs") {
    CHECK(
        dump("[18446744073709551616,-99999999999999999999999,-0,1e400,-1e999,1E5,-1.50]") ==
        "[18446744073709551616, -99999999999999999999999, 0, Infinity, -Infinity, 100000.0, -1.5]");
    const std::string open(kMaxJsonDepth, '['), close(kMaxJsonDepth, ']');
    CHECK(dump(open + close) == open + close);
    CHECK(dump(R"({"a" :"\ud83d"})") == "{\"a\": \"\uFFFD\"}");
}

TEST_CASE("print_json: a key given twice has its last value at its first place") {
    CHECK(dump(R"({"a":1,"b":{"x":1,"x":{}},"\u0061":[2],"c":0,"a":3})") ==
          R"({"a": 3, "b": {"x": {}}, "c": 0})");
}

TEST_CASE("print_json: numbers and strings as json.dumps writes them") {
    CHECK(dump(R"({"a":[1,2.0,-3e-7,1e16,1e5],"b":{},"c":[]})") ==
          R"({"a": [1, 2.0, -3e-07, 1e+16, 100000.0], "b": {}, "c": []})");
    CHECK(dump(R"("é\u0001\n\"\\\/")") == R"("é\u0001\n\"\\/")");
    CHECK(dump("18446744073709551615") == "18446744073709551615");
}

TEST_CASE("print_json: its styles") {
    JsonStyle ascii, indented, sorted;
    ascii.escapes_all = true;
    CHECK(dump(R"("é😀")", ascii) == R"("\u00e9\ud83d\ude00")");
    indented.is_indented = true;
    indented.indent = "  ";
    indented.item_separator = ",";
    CHECK(dump(R"({"a":[1,{}],"b":[]})", indented) ==
          "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
    sorted.sorts_keys = true;
    CHECK(dump(R"({"b":1,"a":2})", sorted) == R"({"a": 2, "b": 1})");
}
