#include "daemon/api/batches/record_map.h"

#include <doctest/doctest.h>

#include <string>

using namespace qwend;

namespace {

struct Thing {
    std::string id;
    int64_t created_at = 0;
};

std::string ids(const RecordMap<Thing>& map, PageQuery query, char unwanted = 0) {
    const auto page = map.page(query, [&](const Thing& t) { return t.id[0] != unwanted; });
    std::string out;
    for (const Thing* thing : page.records) out += thing->id;
    return out + (page.has_more ? "+" : "");
}

}  // namespace

TEST_CASE("record_map: pages in both orders") {
    RecordMap<Thing> map;
    for (const char* id : {"c", "a", "b"}) map.add({id, 10 - id[0] + 'a'});
    map.add({"d", 10});
    CHECK(map.size() == 4);
    CHECK(ids(map, {}) == "dabc");
    CHECK(ids(map, {2, true, ""}) == "da+");
    CHECK(ids(map, {2, true, "a"}) == "bc");
    CHECK(ids(map, {2, false, ""}) == "cb+");
    CHECK(ids(map, {2, false, "b"}) == "ad");
    CHECK(ids(map, {1, false, "d"}) == "");
    CHECK(ids(map, {9, true, "x"}) == "");
    CHECK(ids(map, {2, true, ""}, 'a') == "db+");
}

TEST_CASE("record_map: records are found, changed and erased") {
    RecordMap<Thing> map;
    map.add({"a", 1});
    map.find("a")->created_at = 1;
    CHECK(!map.find("b"));
    map.erase("b");
    map.erase("a");
    CHECK(!map.find("a"));
    CHECK(map.size() == 0);
}
