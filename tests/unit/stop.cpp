#include "model/stop.h"

#include <doctest/doctest.h>

#include <random>

using namespace qwend;

namespace {

/// The same by looking at the whole text.
std::string slow_cut(const std::string& text, const std::vector<std::string>& stops, bool include) {
    // The first position at which a prefix of the text contains a stop; the leftmost in it wins.
    for (size_t end = 1; end <= text.size(); end++) {
        size_t begin = std::string::npos, length = 0;
        for (auto& stop : stops)
            if (size_t at = text.substr(0, end).find(stop); at < begin)
                begin = at, length = stop.size();
        if (begin != std::string::npos) return text.substr(0, begin + (include ? length : 0));
    }
    return text;
}

}  // namespace

TEST_CASE("stop: text fed letter by letter is cut where the whole would be") {
    std::mt19937 random(std::random_device{}());
    auto word = [&](int most) {
        std::string out;
        for (int n = 1 + int(random() % unsigned(most)); n > 0; n--)
            out += char('a' + random() % 3);
        return out;
    };
    for (int round = 0; round < 3000; round++) {
        std::vector<std::string> stops;
        for (int n = int(random() % 3); n >= 0; n--) stops.push_back(word(5));
        const std::string text = word(40);
        const bool include = random() % 2;
        StopMatcher matcher(stops, include);
        std::string out;
        bool matched = false;
        for (char c : text) {
            auto result = matcher.push(std::string(1, c));
            out += result.text;
            if (result.matched >= 0) {
                matched = true;
                break;
            }
        }
        if (!matched) out += matcher.finish();
        CAPTURE(text);
        CHECK(out == slow_cut(text, stops, include));
    }
}

TEST_CASE("stop: nothing is held back that cannot become a stop string") {
    StopMatcher matcher({"END", "\n\n"}, false);
    CHECK(matcher.push("abc").text == "abc");
    CHECK(matcher.push("xE").text == "x");
    CHECK(matcher.push("N").text == "");
    CHECK(matcher.push("T\n").text == "ENT");
    auto result = matcher.push("\nmore");
    CHECK(result.text == "");
    CHECK(result.matched == 1);
    StopMatcher none({}, false);
    CHECK(none.push("END").text == "END");
}

TEST_CASE("stop: what ends in unarmed text does not fire, what goes on from it does") {
    StopMatcher matcher({"ab", "bb"}, false);
    CHECK(matcher.push("xab", false).matched == -1);
    // The b is held back, since it may begin a stop string; that one ends in armed text.
    const auto [text, matched] = matcher.push("bc", true);
    CHECK(matched == 1);
    CHECK(text.empty());

    StopMatcher again({"aa"}, false);
    std::string out = again.push("aa", false).text;
    auto [rest, fired] = again.push("ax", true);
    CHECK(fired == 0);
    CHECK(out + rest == "a");

    StopMatcher inside({"abcd", "b"}, false);
    out = inside.push("ab", false).text;
    out += inside.push("x", true).text;
    CHECK(out == "abx");
}
