#include "daemon/api/batches/list_query.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace qwend;

TEST_CASE("list_query: what a client says of its page") {
    PageQuery page;
    CHECK(!read_page("", 100, page));
    CHECK(page.limit == 20);
    CHECK(!read_page("limit=100&order=asc&after=a", 100, page));
    CHECK(page.limit == 100);
    CHECK(!page.newest_first);
    CHECK(page.after == "a");
    for (const char* bad : {"limit=0", "limit=101", "limit=-1", "limit=1x", "limit=", "order=up"})
        CHECK(read_page(bad, 100, page)->status == 400);
}

TEST_CASE("list_query: a list is OpenAI's") {
    struct Thing {
        std::string id;
    };
    struct Page {
        std::vector<const Thing*> records;
        bool has_more = false;
    };
    const auto render = [](const Thing& thing) { return '"' + thing.id + '"'; };
    const Thing a{"a"}, b{"b"};
    CHECK(render_list(Page{{&a, &b}, true}, render) ==
          R"({"object":"list","data":["a","b"],"first_id":"a","last_id":"b","has_more":true})");
    CHECK(render_list(Page{}, render) ==
          R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
}
