#include "model/text/stop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace qwend;

namespace {

struct Cut {
    std::string text;
    int matched;
};

/// The same by looking at the whole text.
Cut slow_cut(const std::string& text, size_t n_unarmed, const std::vector<std::string>& stops,
             bool include) {
    // The shortest prefix of the text that ends with a stop; the longest of those in it wins.
    for (size_t end = n_unarmed + 1; end <= text.size(); end++) {
        const std::string_view seen = std::string_view(text).substr(0, end);
        int found = -1;
        for (size_t i = 0; i < stops.size(); i++)
            if (seen.ends_with(stops[i]) &&
                (found < 0 || stops[i].size() > stops[size_t(found)].size()))
                found = int(i);
        if (found >= 0)
            return {text.substr(0, end - (include ? 0 : stops[size_t(found)].size())), found};
    }
    return {text, -1};
}

/// Whether `stop` may still come after `text`: a proper prefix of it ends the text.
size_t slow_pending(const std::string& text, const std::vector<std::string>& stops) {
    size_t pending = 0;
    for (const std::string& stop : stops)
        for (size_t n = 1; n < stop.size() && n <= text.size(); n++)
            if (text.ends_with(stop.substr(0, n))) pending = std::max(pending, n);
    return pending;
}

}  // namespace

TEST_CASE("stop: text fed in any pieces is cut where the whole would be") {
    std::mt19937 random(std::random_device{}());
    auto word = [&](unsigned most, unsigned letters) {
        std::string out;
        for (unsigned n = 1 + random() % most; n > 0; n--) out += char('a' + random() % letters);
        return out;
    };
    for (int round = 0; round < 5000; round++) {
        const unsigned letters = 2 + random() % 2;
        std::vector<std::string> stops;
        for (int n = int(random() % 3); n >= 0; n--) stops.push_back(word(7, letters));
        const std::string text = word(60, letters);
        const bool include = random() % 2;
        const size_t n_unarmed = random() % 2 ? random() % 12 : 0;
        StopMatcher matcher(stops, include);
        std::string out;
        int matched = -1;
        for (size_t at = 0; at < text.size() && matched < 0;) {
            size_t n = std::min<size_t>(random() % 5, text.size() - at);
            if (at < n_unarmed) n = std::min(n, n_unarmed - at);
            auto result = matcher.push(text.substr(at, n), at >= n_unarmed);
            at += n;
            out += result.text;
            matched = result.matched;
            if (matched < 0) CHECK(out.size() == at - slow_pending(text.substr(0, at), stops));
        }
        if (matched < 0) out += matcher.finish();
        CAPTURE(text);
        const Cut cut = slow_cut(text, n_unarmed, stops, include);
        CHECK(out == cut.text);
        CHECK(matched == cut.matched);
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
