#include "model/grammar/key_trie.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace qwend::grammar;

TEST_CASE("key_trie: keys are found byte by byte, and which may come below each node") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 300; round++) {
        std::set<std::string> distinct;
        for (size_t n = random() % 20; n > 0; n--) {
            std::string key = "\"";
            for (size_t i = random() % 4; i > 0; i--) key += char('a' + random() % 3);
            distinct.insert(key + '"');
        }
        std::vector<std::string> keys(distinct.begin(), distinct.end());
        std::ranges::shuffle(keys, random);
        KeyTrie trie;
        for (size_t i = 0; i < keys.size(); i++) trie.add(keys[i], uint32_t(i));
        std::vector<bool> forbidden(keys.size());
        for (size_t i = 0; i < keys.size(); i++) forbidden[i] = random() % 4 == 0;
        const KeysBelow below(trie, forbidden);
        for (int i = 0; i < 50; i++) {
            std::string prefix;
            if (!keys.empty()) prefix = keys[random() % keys.size()];
            prefix.resize(random() % (prefix.size() + 1));
            if (random() % 4 == 0) prefix += 'a';
            uint32_t node = KeyTrie::kRoot;
            for (const char c : prefix)
                if (node != KeyTrie::kNowhere) node = trie.after(node, uint8_t(c));
            const auto begins = [&](const std::string& key) { return key.starts_with(prefix); };
            CAPTURE(prefix);
            CHECK((node != KeyTrie::kNowhere) ==
                  (prefix.empty() || std::ranges::any_of(keys, begins)));
            if (node == KeyTrie::kNowhere) continue;
            const auto key = std::ranges::find(keys, prefix);
            CHECK(trie.key(node) ==
                  (key == keys.end() ? KeyTrie::kNoKey : uint32_t(key - keys.begin())));
            const auto first = uint32_t(random() % 20), last = uint32_t(random() % 20);
            bool leads = false;
            std::set<uint8_t> next;
            for (uint32_t number = 0; number < keys.size(); number++) {
                if (!begins(keys[number])) continue;
                leads = leads || (!forbidden[number] && number >= first && number <= last);
                if (keys[number].size() > prefix.size())
                    next.insert(uint8_t(keys[number][prefix.size()]));
            }
            CHECK(below.leads_to(node, first, last) == leads);
            std::set<uint8_t> found;
            trie.for_each_byte(node, [&](uint8_t byte, uint32_t to) {
                CHECK(trie.after(node, byte) == to);
                found.insert(byte);
            });
            CHECK(found == next);
        }
    }
    CHECK_FALSE(KeysBelow().leads_to(KeyTrie::kRoot, 0, 1));
}
