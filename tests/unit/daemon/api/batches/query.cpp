#include "daemon/api/batches/query.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("query: the first value by that name, decoded") {
    CHECK(query_value("limit=2&after=file-1&limit=3", "limit") == "2");
    CHECK(query_value("limit=2&after=a%2Fb", "after") == "a/b");
    CHECK(query_value("a=&b", "a") == "");
    for (const char* query : {"", "xlimit=2", "limit", "&&", "limit=%zz", "limit=%00"})
        CHECK(!query_value(query, "limit"));
}
