// What is kept, in what bounds, and what leaves first.

#include "daemon/api/responses/store.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/responses/parsed.h"

using namespace qwend;

namespace {

StoredResponse sized(const std::string& id, const std::string& previous_id = "",
                     size_t n_bytes = 1000) {
    return stored_response(id, previous_id, "\"" + std::string(n_bytes, 'x') + "\"", "");
}

/// The ids that are kept, of those that may be; asking for them would be using them.
std::string kept(const ResponseStore& store) {
    std::string ids;
    for (const auto& [id, response] : *store.table()) ids += id;
    return ids;
}

}  // namespace

TEST_CASE("responses_store: a response is found with all of its object, until it is erased") {
    ResponseStore store(1 << 20);
    store.keep(stored_response("a", "", "\"hi\"", R"({"id":"m"})"));
    const StoredResponsePtr found = store.find("a");
    REQUIRE(found);
    CHECK(found->object() == R"({"output":[{"id":"m"}]})");
    CHECK(*found->input == "\"hi\"");
    CHECK(store.n_bytes() == found->n_bytes());
    CHECK_FALSE(store.find("b"));
    CHECK_FALSE(store.find(""));
    CHECK(store.erase("a"));
    CHECK_FALSE(store.erase("a"));
    CHECK_FALSE(store.find("a"));
    CHECK(store.n_bytes() == 0);
}

TEST_CASE("responses_store: the least recently used leave, as many as have to") {
    const size_t each = sized("a").n_bytes();
    ResponseStore store(3 * each);
    for (const char* id : {"a", "b", "c"}) store.keep(sized(id));
    CHECK(kept(store) == "abc");
    CHECK(store.find("a"));
    store.keep(sized("d"));
    CHECK(kept(store) == "acd");
    store.keep(sized("e", "", 1000 + each));
    CHECK(kept(store) == "de");
    CHECK(store.n_bytes() <= 3 * each);
    store.keep(sized("f", "", 4 * each));
    CHECK(kept(store) == "de");
}

TEST_CASE("responses_store: there are only so many, however small") {
    ResponseStore store(size_t(1) << 30);
    for (size_t i = 0; i < ResponseStore::kMaxResponses + 10; i++)
        store.keep(sized("r" + std::to_string(i), "", 1));
    CHECK(store.table()->size() == ResponseStore::kMaxResponses);
    CHECK_FALSE(store.find("r9"));
    CHECK(store.find("r10"));
}

TEST_CASE("responses_store: to go on from a response is to use all that came before it") {
    ResponseStore store(4 * sized("a", "b").n_bytes());
    store.keep(sized("a"));
    store.keep(sized("b", "a"));
    store.keep(sized("x"));
    store.keep(sized("c", "b"));
    store.keep(sized("y"));
    CHECK(kept(store) == "abcy");
    store.keep(sized("z"));
    CHECK(kept(store) == "abyz");  // the newest of a conversation first: no half of one is left
}

TEST_CASE("responses_store: without room nothing is kept") {
    ResponseStore store(0);
    CHECK_FALSE(store.keeps_any());
    store.keep(sized("a"));
    CHECK_FALSE(store.find("a"));
}

TEST_CASE("responses_store: what another thread reads stays as it was") {
    ResponseStore store(1 << 20);
    store.keep(sized("a"));
    const auto table = store.table();
    store.keep(sized("b"));
    store.erase("a");
    CHECK(table->size() == 1);
    CHECK(table->contains("a"));
    CHECK(kept(store) == "b");
}
