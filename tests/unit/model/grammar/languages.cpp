#include "model/grammar/languages.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "tests/unit/model/grammar/random_syntax.h"

using namespace qwend::grammar;

namespace {

constexpr size_t kLongest = 5;

/// Every text of at most kLongest bytes of a and b.
std::vector<std::string> all_texts() {
    std::vector<std::string> out{""};
    for (size_t i = 0; out[i].size() < kLongest; i++)
        for (const char c : {'a', 'b'}) out.push_back(out[i] + c);
    return out;
}

/// A language, and the slow twin: its texts of at most kLongest bytes of a and b.
struct Both {
    LanguageId language;
    std::set<std::string> texts;
};

std::set<std::string> concatenated(const std::set<std::string>& a, const std::set<std::string>& b) {
    std::set<std::string> out;
    for (const auto& x : a)
        for (const auto& y : b)
            if (x.size() + y.size() <= kLongest) out.insert(x + y);
    return out;
}

class Random {
  public:
    explicit Random(Languages& languages) : languages_(languages) {}
    std::mt19937 random{std::random_device{}()};

    Both make(int depth) {
        if (depth <= 0 || random() % 5 == 0) return leaf();
        const Both a = make(depth - 1), b = make(depth - 1);
        Both out;
        switch (random() % 6) {
            case 0:
                return {languages_.sequence(a.language, b.language),
                        concatenated(a.texts, b.texts)};
            case 1:
                out = a;
                out.language = random() % 2 ? languages_.either({a.language, b.language})
                                            : languages_.either_factored({a.language, b.language});
                out.texts.insert(b.texts.begin(), b.texts.end());
                return out;
            case 2:
                out.language = languages_.both({a.language, b.language});
                for (const auto& text : a.texts)
                    if (b.texts.contains(text)) out.texts.insert(text);
                return out;
            case 3:
                out.language = languages_.complement(a.language);
                for (const auto& text : all_texts())
                    if (!a.texts.contains(text)) out.texts.insert(text);
                return out;
            default:
                return repeated(a);
        }
    }

  private:
    Both leaf() {
        switch (random() % 4) {
            case 0:
                return {Languages::kEmpty, {""}};
            case 1:
                return {languages_.byte_in(ByteSet::range('a', 'b')), {"a", "b"}};
            case 2: {
                std::set<std::string> texts;
                const auto all = all_texts();
                for (size_t n = random() % 8; n > 0; n--) texts.insert(all[random() % all.size()]);
                return {languages_.one_of({texts.begin(), texts.end()}), texts};
            }
            default: {
                const std::string text(1 + random() % 2, random() % 2 ? 'a' : 'b');
                return {languages_.literal(text), {text}};
            }
        }
    }
    Both repeated(const Both& a) {
        const uint32_t min = random() % 3, max = random() % 2 ? kUnbounded : min + random() % 3;
        std::set<std::string> now{""}, all;
        for (uint32_t i = 0; i <= std::min<uint32_t>(max, min + kLongest); i++) {
            if (i >= min) all.insert(now.begin(), now.end());
            now = concatenated(now, a.texts);
        }
        return {languages_.repeat(a.language, min, max), all};
    }

    Languages& languages_;
};

}  // namespace

TEST_CASE("languages: every operation says what it does to sets of texts") {
    const auto all = all_texts();
    for (int round = 0; round < 1000; round++) {
        // Every other one lies on languages of which some are known already.
        Languages base;
        base.allow_work(size_t(1) << 40);  // what is random may be hard, and is small
        for (int i = 0; i < 3; i++) {
            Random below(base);
            const LanguageId known = below.make(3).language;
            if (i == 0) base.is_empty(known);
            if (i == 1) base.contains(known, all[below.random() % all.size()]);
        }
        Languages languages = round % 2 ? Languages(&base) : Languages();
        languages.allow_work(size_t(1) << 40);
        Random random(languages);
        const Both both = random.make(4);
        for (const auto& text : all) {
            CAPTURE(text);
            REQUIRE(languages.contains(both.language, text) == both.texts.contains(text));
        }
        if (!both.texts.empty()) CHECK_FALSE(languages.is_empty(both.language));
        // Nothing follows exactly where no text is left. Some are longer than the twin's.
        const std::string& begin = all[random.random() % all.size()];
        LanguageId at = both.language;
        for (const char c : begin) at = languages.after(at, uint8_t(c));
        for (const auto& text : both.texts)
            if (text.starts_with(begin)) CHECK(at != Languages::kNothing);
        if (at == Languages::kNothing || languages.is_empty(at)) continue;
        std::vector<LanguageId> seen{at};
        bool found = false;
        for (size_t i = 0; i < seen.size() && !found; i++) {
            found = languages.has_empty(seen[i]);
            for (const char c : {'a', 'b', '\0'}) {
                const LanguageId next = languages.after(seen[i], uint8_t(c));
                if (next != Languages::kNothing && std::ranges::find(seen, next) == seen.end())
                    seen.push_back(next);
            }
        }
        CHECK(found);
    }
}

TEST_CASE("languages: what lies on others is numbered behind them, and leaves them as they are") {
    Languages base;
    const LanguageId word = base.repeat(base.byte_in(ByteSet::range('a', 'z')), 1);
    CHECK(base.after(word, 'a') != Languages::kNothing);
    const size_t n_base = base.size();
    Languages first(&base), second(&base);
    CHECK(first.size() == 0);
    CHECK(first.repeat(first.byte_in(ByteSet::range('a', 'z')), 1) == word);
    const LanguageId a = first.both({word, first.complement(first.literal("no"))});
    const LanguageId b = second.one_of({"x", "y"});
    CHECK(a >= n_base);
    CHECK(b >= n_base);
    CHECK(first.contains(a, "nob"));
    CHECK_FALSE(first.contains(a, "no"));
    CHECK(second.contains(b, "y"));
    CHECK(second.one_of({"y", "x"}) == b);
    Languages copy = first;
    CHECK(copy.contains(a, "yes"));
    CHECK_FALSE(copy.contains(a, "no"));
    CHECK(base.size() == n_base);
}

TEST_CASE("languages: the only first byte is what trying all of them finds") {
    for (int round = 0; round < 1000; round++) {
        Languages languages;
        languages.allow_work(size_t(1) << 40);
        Random random(languages);
        const LanguageId language = random.make(3).language;
        std::vector<uint8_t> alive;
        for (int byte = 0; byte < 256; byte++)
            if (languages.after(language, uint8_t(byte)) != Languages::kNothing)
                alive.push_back(uint8_t(byte));
        const auto only = languages.only_first_byte(language);
        CHECK(only.has_value() == (alive.size() == 1));
        if (only && !alive.empty()) CHECK(*only == alive[0]);
    }
}

TEST_CASE("languages: what excludes itself is empty, however long that takes to see") {
    Languages l;
    const LanguageId a = l.literal("a"), b = l.literal("b"), ab = l.either({a, b});
    const LanguageId with_a = l.sequence({l.repeat(ab, 0), a, l.repeat(ab, 3, 3)});
    const LanguageId without = l.complement(with_a);
    CHECK(l.is_empty(l.both({with_a, without})));
    CHECK(l.is_empty(l.both({l.repeat(l.literal("aa"), 1), l.literal("aaa")})));
    CHECK(l.is_empty(l.sequence(a, l.both({b, l.literal("bb")}))));
    // Even and odd numbers of a.
    CHECK(l.is_empty(
        l.both({l.repeat(l.literal("aa"), 0), l.sequence(a, l.repeat(l.literal("aa"), 0))})));
    CHECK_FALSE(l.is_empty(l.both({l.repeat(l.literal("aa"), 1), l.repeat(l.literal("aaa"), 1)})));
    CHECK(l.after(l.both({l.literal("ab"), l.literal("ac")}), 'a') == Languages::kNothing);
}

TEST_CASE("languages: multiples are those of arithmetic") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 50; round++) {
        Languages languages;
        languages.allow_work(size_t(1) << 40);
        const uint32_t divisor = 1 + random() % 300, n_zeros = random() % 3;
        const LanguageId language = languages.multiple_of(divisor, n_zeros);
        for (int i = 0; i < 100; i++) {
            const uint64_t scale = n_zeros == 0 ? 1 : n_zeros == 1 ? 10 : 100;
            const uint64_t units = random() % 2 ? random() % 100'000 * divisor : random();
            std::string text = std::to_string(units / scale);
            if (n_zeros > 0 && units % scale != 0) {
                std::string behind = std::to_string(units % scale);
                behind.insert(0, n_zeros - behind.size(), '0');
                text += "." + behind;
            }
            CAPTURE(text);
            CAPTURE(divisor);
            CHECK(languages.contains(language, text) == (units % divisor == 0));
        }
        CHECK_FALSE(languages.contains(language, n_zeros ? "1.0000" : "1.0"));
        CHECK_FALSE(languages.contains(language, "1.1.1"));
    }
}

TEST_CASE("languages: one of a hundred thousand texts is made and walked at once") {
    std::mt19937 random(std::random_device{}());
    std::vector<std::string> texts;
    for (int i = 0; i < 100'000; i++) {
        std::string text;
        for (size_t n = 5 + random() % 20; n > 0; n--) text += char(random() % 256);
        texts.push_back(std::move(text));
    }
    const auto begin = std::chrono::steady_clock::now();
    Languages languages;
    const LanguageId language = languages.one_of(texts);
    for (int i = 0; i < 1000; i++) {
        std::string text = texts[random() % texts.size()];
        CHECK(languages.contains(language, text));
        CHECK_FALSE(languages.contains(language, text + text));
        text.back() = char(text.back() + 1);
        CHECK(languages.contains(language, text) == (std::ranges::count(texts, text) > 0));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    CHECK(took.count() < 5);
}

TEST_CASE("languages: what would have too many alternatives or states is refused") {
    Languages l;
    const LanguageId ab = l.byte_in(ByteSet::range('a', 'b'));
    const LanguageId wide = l.repeat(l.optional(l.sequence(ab, ab)), 5'000, 10'000);
    const LanguageId hard = l.sequence({l.repeat(ab, 0), l.literal("a"), l.repeat(ab, 40, 40)});
    std::mt19937 random(std::random_device{}());
    auto walk = [&](LanguageId at) {
        for (int i = 0; i < 10'000'000; i++) at = l.after(at, random() % 2 ? 'a' : 'b');
    };
    CHECK_THROWS_AS(walk(l.both({hard, l.complement(wide)})), GrammarError);
}
