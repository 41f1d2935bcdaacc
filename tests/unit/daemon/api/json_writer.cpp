#include "daemon/api/json_writer.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <cmath>

using namespace qwend;

TEST_CASE("json_writer: escapes, commas, numbers") {
    JsonWriter w;
    w.begin_object().key("a").begin_array().integer(1).number(0.1).number(1e300).null();
    w.boolean(true).end_array().key("b").string("\"\\\n\x01\x7f é \xFF\xE2\x80");
    w.key("c").begin_object().end_object().key("d").number(NAN).end_object();
    CHECK(w.text() ==
          "{\"a\":[1,0.1,1e+300,null,true],\"b\":\"\\\"\\\\\\n\\u0001\\u007f é "
          "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\",\"c\":{},\"d\":null}");
    simdjson::dom::parser parser;
    CHECK(parser.parse(w.text()).error() == simdjson::SUCCESS);
}

TEST_CASE("json_writer: compact JSON has no white space but in its strings") {
    const auto compact = [](std::string_view json) {
        std::string out;
        append_compact_json(out, json);
        return out;
    };
    CHECK(compact("{ \"a b\" :\r\n\t[ 1, \"c \\\" , d\\\\\" , null ] }") ==
          "{\"a b\":[1,\"c \\\" , d\\\\\",null]}");
    CHECK(compact("") == "");
}
