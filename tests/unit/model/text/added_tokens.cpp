// Added tokens against a search that tries every token at every place.

#include "model/text/added_tokens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace qwend;

namespace {

AddedToken token(int32_t id, std::string content) {
    AddedToken out;
    out.id = id, out.content = std::move(content);
    return out;
}

std::string found(const AddedTokens& tokens, std::string_view text) {
    std::string out;
    size_t at = 0;
    for (const AddedTokenMatch& match : tokens.find(text)) {
        out += text.substr(at, match.begin - at);
        out += '[';
        out += text.substr(match.begin, match.end - match.begin);
        out += ']';
        at = match.end;
    }
    return out + std::string(text.substr(at));
}

}  // namespace

TEST_CASE("added tokens: leftmost, then longest, as trying each would find") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 3000; round++) {
        auto word = [&](unsigned most) {
            std::string out;
            for (unsigned n = 1 + random() % most; n > 0; n--) out += char('a' + random() % 2);
            return out;
        };
        std::vector<AddedToken> list;
        for (int i = int(random() % 6); i >= 0; i--) list.push_back(token(i, word(6)));
        const std::string text = word(60);
        const auto matches = AddedTokens(list).find(text);
        size_t n = 0;
        for (size_t at = 0; at < text.size();) {
            size_t longest = 0;
            for (const AddedToken& t : list)
                if (text.compare(at, t.content.size(), t.content) == 0)
                    longest = std::max(longest, t.content.size());
            if (longest) {
                REQUIRE(n < matches.size());
                CHECK(matches[n].begin == at);
                CHECK(matches[n].end == at + longest);
                n++;
            }
            at += std::max<size_t>(longest, 1);
        }
        CHECK(n == matches.size());
    }
    CHECK(AddedTokens().find("abc").empty());
}

TEST_CASE("added tokens: white space and word borders, as Hugging Face takes them") {
    AddedToken left = token(0, "<l>"), right = token(1, "<r>"), word = token(2, "cat");
    left.lstrip = right.rstrip = word.single_word = true;
    const AddedTokens tokens({left, right, word});
    CHECK(found(tokens, "a \t<l> b") == "a[ \t<l>] b");
    CHECK(found(tokens, "a <r> \u3000\nb") == "a [<r> \u3000\n]b");
    CHECK(found(tokens, "<r>  <l>") == "[<r>  ][<l>]");
    CHECK(found(tokens, "cat, concat cats cat\u0301 _cat cat") ==
          "[cat], concat cats cat\u0301 _cat [cat]");
    CHECK(found(tokens, "\u00e9cat \u2014cat") == "\u00e9cat \u2014[cat]");
}
