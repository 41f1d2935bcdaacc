// Values as Python has them: keys, order, types.

#include "model/text/jinja/value.h"

#include <doctest/doctest.h>

#include <string>

#include "model/json_document.h"
#include "model/text/jinja/compare.h"
#include "model/text/jinja/from_json.h"
#include "model/text/jinja/print.h"

using namespace qwend;
using namespace qwend::jinja;

namespace {

Value parsed(Workspace& work, std::string_view json) {
    JsonDocument document;
    REQUIRE_FALSE(document.parse(json));
    return from_json(work, document.root());
}

std::string repr(Workspace& work, const Value& value) {
    TextBuilder out(work);
    print_repr(out, value);
    return out.take_bytes();
}

}  // namespace

TEST_CASE("JSON becomes what json.loads gives") {
    Workspace work;
    CHECK(repr(work, parsed(work, R"([1, 1.0, true, null, "a", {"b": []}])")) ==
          "[1, 1.0, True, None, 'a', {'b': []}]");
    CHECK(repr(work, parsed(work, "[9223372036854775808, -1e400, 16.0, 1e-5]")) ==
          "[9223372036854775808, -inf, 16.0, 1e-05]");
    CHECK(repr(work, parsed(work, R"({"a":1,"b":2,"a":3})")) == "{'a': 3, 'b': 2}");
}

TEST_CASE("a dict finds its keys, however many there are") {
    Workspace work;
    std::string json = "{";
    for (int i = 0; i < 100; i++)
        json += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i);
    const Value dict = parsed(work, json + "}");
    for (int i = 0; i < 100; i++)
        CHECK(find(dict.get<Dict>(), std::to_string(i))->as_integer() == i);
    CHECK(find(dict.get<Dict>(), "100") == nullptr);
    CHECK(dict.get<Dict>().members[57].key.bytes() == "57");
}

TEST_CASE("keys that are one to Python are one") {
    Workspace work;
    const Value dict = make_dict_value(work, {{Value::integer(1), make_ours(work, "a")},
                                              {Value::boolean(true), make_ours(work, "b")},
                                              {Value::real(1.0), make_ours(work, "c")},
                                              {Value::none(), make_ours(work, "d")}});
    CHECK(repr(work, dict) == "{1: 'c', None: 'd'}");
    CHECK_THROWS_AS(make_dict(work, {{parsed(work, "[]"), Value::none()}}), Failure);
}

TEST_CASE("values of any two types are equal or not") {
    Workspace work;
    CHECK(equals(work, Value::integer(1), Value::real(1.0)));
    CHECK(equals(work, Value::integer(1), Value::boolean(true)));
    CHECK_FALSE(equals(work, Value::integer(9007199254740993), Value::real(9007199254740992.0)));
    CHECK_FALSE(equals(work, Value::none(), Value::boolean(false)));
    CHECK(equals(work, parsed(work, R"({"a":[1],"b":2})"), parsed(work, R"({"b":2.0,"a":[1]})")));
    CHECK_FALSE(equals(work, parsed(work, "[1]"), parsed(work, "\"1\"")));
}

TEST_CASE("a workspace's memory is counted and bounded") {
    Workspace work({.value_bytes = 1000});
    CHECK_THROWS_AS(make_ours(work, std::string(1001, 'a')), Failure);
    CHECK_NOTHROW(make_ours(work, std::string(100, 'a')));
}
