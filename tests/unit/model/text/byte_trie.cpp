// Texts found byte by byte, as many as there are.

#include "model/text/byte_trie.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace qwend;

TEST_CASE("byte_trie: every text ends at its node, and no other goes on") {
    ByteTrie trie;
    CHECK(trie.insert("") == 0);
    CHECK(trie.child(0, 'a') == -1);
    std::string text;
    for (int i = 0; i < 1000; i++) {
        text = std::to_string(i) + "\xFF";
        const int32_t node = trie.insert(text);
        CHECK(trie.insert(text) == node);
        CHECK(node < trie.size());
    }
    int32_t node = 0;
    for (const char byte : text) {
        REQUIRE(node >= 0);
        node = trie.child(node, uint8_t(byte));
    }
    CHECK(node == trie.insert("999\xFF"));
    CHECK(trie.child(node, '9') == -1);
    CHECK(trie.child(0, 'x') == -1);
}

TEST_CASE("byte_trie: a text has the id it was given last, and no part of it has one") {
    ByteTrie trie;
    trie.insert("abc", 7), trie.insert("ab", 3), trie.insert("", 9), trie.insert("abc", 1);
    CHECK(trie.find("abc") == 1);
    CHECK(trie.find("ab") == 3);
    CHECK(trie.find("") == 9);
    for (const char* other : {"a", "abcd", "x"}) CHECK(trie.find(other) == -1);
    const int32_t longer = trie.insert("abcd");
    CHECK(longer == trie.descend(trie.descend(0, "ab"), "cd"));
    CHECK(trie.find("abcd") == -1);
    CHECK(trie.descend(0, "ba") == -1);
    CHECK(trie.descend(-1, "a") == -1);
    trie.leave_out({1, 9, 77});
    for (const char* out : {"", "abc"}) CHECK(trie.find(out) == -1);
    CHECK(trie.find("ab") == 3);
}
