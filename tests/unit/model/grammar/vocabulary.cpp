#include "model/grammar/vocabulary.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "model/utf8.h"

using namespace qwend::grammar;

namespace {

/// Of a token's characters that end behind the first `from` bytes.
uint32_t groups_of(std::string_view token, size_t from) {
    uint32_t groups = 0;
    for (size_t at = 0; at < token.size();) {
        const qwend::DecodedChar c = qwend::utf8_at(token, at);
        if (!c.valid) {
            const bool cut = qwend::utf8_settled_length(token) == at;
            groups |= cut ? characters::kCut : characters::kBroken;
            at = cut ? token.size() : at + 1;
            continue;
        }
        at += size_t(c.length);
        if (at <= from) continue;
        groups |= c.code_point < 0x80 ? characters::group_of(uint8_t(c.code_point))
                  : c.code_point == 0x2028 || c.code_point == 0x2029 ? characters::kSeparators
                                                                     : characters::kNonAscii;
    }
    return groups;
}

std::vector<std::string> random_tokens(std::mt19937& random, bool wide) {
    const std::string pieces[] = {"a", "B", "7", "\xC3\xA9", "\xE2\x80\xA8", "\xF0\x9F\x98\x80",
                                  " ", "-", "x", "\"",       "\\",           "\x80"};
    std::vector<std::string> out(2);  // those of no text
    for (int i = 0; i < 400; i++) {
        std::string token;
        const size_t n_pieces = wide && random() % 8 ? 7 : std::size(pieces);
        for (size_t n = 1 + random() % 4; n > 0; n--) token += pieces[random() % n_pieces];
        if (token.size() > 1 && random() % 6 == 0) token.pop_back();
        out.push_back(std::move(token));
    }
    return out;
}

/// By the node, the bytes that lead to it.
void for_each_node(const Vocabulary::Trie& trie,
                   const std::function<void(const Vocabulary::Node&, const std::string&)>& visit) {
    std::string bytes;
    for (size_t i = 0; i < trie.size(); i++) {
        bytes.resize(trie[i].depth - 1u);
        bytes += char(trie[i].byte);
        visit(trie[i], bytes);
    }
}

bool has(const Vocabulary::Bits& bits, size_t id) {
    return bits[id / 32] >> (id % 32) & 1;
}

}  // namespace

TEST_CASE("vocabulary: each node knows the groups of what is below it") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 20; round++) {
        const std::vector<std::string> tokens = random_tokens(random, false);
        const Vocabulary vocabulary({tokens.begin(), tokens.end()});
        for_each_node(vocabulary.all(), [&](const Vocabulary::Node& node, const std::string& to) {
            uint32_t whole = 0, rest = 0;
            for (const std::string& token : tokens) {
                if (token.empty() || !token.starts_with(to)) continue;
                whole |= groups_of(token, 0), rest |= groups_of(token, to.size() - 1);
            }
            CAPTURE(to);
            CHECK(node.whole == whole);
            CHECK(node.rest == rest);
            if (node.token >= 0) CHECK(tokens[size_t(node.token)] == to);
        });
    }
}

TEST_CASE("vocabulary: a slice has the tokens of its groups, and its tree all others") {
    std::mt19937 random(std::random_device{}());
    bool had_tree = false, had_none = false;
    for (int round = 0; round < 20; round++) {
        const std::vector<std::string> tokens = random_tokens(random, round % 2);
        const Vocabulary vocabulary({tokens.begin(), tokens.end()});
        for (const uint32_t groups : {characters::kText, uint32_t(random() & characters::kText)}) {
            const Vocabulary::Slice& slice = *vocabulary.slice(groups);
            uint32_t longest = 0;
            std::map<std::string, bool> others;
            for (size_t id = 0; id < tokens.size(); id++) {
                const bool is_in = !tokens[id].empty() && (groups_of(tokens[id], 0) & ~groups) == 0;
                CHECK(has(slice.tokens, id) == is_in);
                if (is_in) longest = std::max(longest, vocabulary.n_characters(int32_t(id)));
                if (!is_in && !tokens[id].empty()) others[tokens[id]] = false;
            }
            CHECK(slice.max_characters == longest);
            (slice.others.empty() ? had_none : had_tree) = true;
            if (slice.others.empty()) continue;
            for_each_node(slice.others, [&](const Vocabulary::Node& node, const std::string& to) {
                if (node.token >= 0) others.at(to) = true;
            });
            for (const auto& [token, is_there] : others) CHECK_MESSAGE(is_there, token);
        }
    }
    CHECK(had_tree);
    CHECK(had_none);
}

TEST_CASE("vocabulary: tokens by their length in characters") {
    const std::vector<std::string> tokens{"", "a", "ab", "\xC3\xA9", "a\xC3", "abc", "\xC3\xA9xy-"};
    const Vocabulary vocabulary({tokens.begin(), tokens.end()});
    const uint32_t lengths[] = {0, 1, 2, 1, 2, 3, 4};
    CHECK(vocabulary.max_characters() == 4);
    CHECK(vocabulary.max_word() == 3);
    const std::vector<std::string> longer{"ab", "-abcde--f", "\xC3\xA9xyz"};
    CHECK(Vocabulary({longer.begin(), longer.end()}).max_word() == 5);
    for (uint32_t n = 0; n < 9; n++)
        for (size_t id = 0; id < tokens.size(); id++)
            CHECK(has(vocabulary.up_to(n), id) == (lengths[id] <= n));
}
