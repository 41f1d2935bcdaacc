// Values of a body: what is taken, and what an error says of one that is not.

#include "daemon/api/field_reader.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

/// What reading the value gives: the error's message, or nothing.
template <class Read>
std::string error_of(const std::string& json, Read&& read) {
    const std::string body = "{\"v\":" + json + "}";
    JsonDocument document;
    REQUIRE_FALSE(document.parse(body));
    FieldReader reader(100);
    const JsonValue value = *document.root().member("v");
    const bool good = read(reader, value);
    CHECK(good == !reader.error);
    return reader.error ? reader.error->message : "";
}

}  // namespace

TEST_CASE("field_reader: numbers") {
    int n = 0;
    float x = 0;
    const auto integer = [&](FieldReader& r, const JsonValue& v) {
        return r.integer("v", v, -3, 10, n);
    };
    const auto number = [&](FieldReader& r, const JsonValue& v) {
        return r.number("v", v, 0, 2, x);
    };
    CHECK(error_of("10", integer).empty());
    CHECK(n == 10);
    CHECK(error_of("-3.0", integer).empty());
    CHECK(n == -3);
    CHECK(error_of("11", integer) == "v: expected an integer from -3 to 10, found 11");
    CHECK(error_of("1.5", integer) == "v: expected an integer, found 1.5");
    CHECK(error_of("\"1\"", integer) == "v: expected an integer, found \"1\"");
    CHECK(error_of("2", number).empty());
    CHECK(x == 2);
    CHECK(error_of("2.1", number) == "v: expected a number from 0 to 2, found 2.1");
    CHECK(error_of("true", number) == "v: expected a number from 0 to 2, found true");
}

TEST_CASE("field_reader: the rest, and the first error stays") {
    bool set = false;
    std::string text;
    std::vector<int32_t> ids;
    CHECK(error_of("true", [&](auto& r, auto& v) { return r.boolean("v", v, set); }).empty());
    CHECK(set);
    CHECK(error_of("1", [&](auto& r, auto& v) { return r.boolean("v", v, set); }) ==
          "v: expected true or false, found 1");
    CHECK(error_of("\"a b\"", [&](auto& r, auto& v) { return r.string("v", v, text); }).empty());
    CHECK(text == "a b");
    CHECK(error_of("\"a b\"", [&](auto& r, auto& v) { return r.identifier("v", v, 9, text); }) ==
          "v: expected 1 to 9 visible ASCII characters, found \"a b\"");
    const auto list = [&](auto& r, auto& v) { return r.token_ids("v", v, 3, ids); };
    CHECK(error_of("[0,99]", list).empty());
    CHECK(ids == std::vector<int32_t>{0, 99});
    ids.clear();
    CHECK(error_of("[0,100]", list) == "v[1]: expected an integer from 0 to 99, found 100");
    ids.clear();
    CHECK(error_of("[1,2,3,4]", list) == "v: expected at most 3 ids");
    FieldReader reader(1);
    reader.fail("a", "first");
    reader.unsupported("b");
    CHECK(reader.error->message == "first");
    CHECK(reader.error->param == "a");
}
