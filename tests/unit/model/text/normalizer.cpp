// The steps of a normalizer, one by one and after each other.

#include "model/text/normalizer.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

template <class Add>
std::string normal(Add add, std::string_view text) {
    Normalizer normalizer;
    add(normalizer);
    std::string storage;
    return std::string(normalizer.normalize(text, storage));
}

}  // namespace

TEST_CASE("normalizer: each step does what its name says") {
    CHECK(normal([](Normalizer& n) { n.add_lowercase(); }, "\u00c0B\u0130\u4e2d\u03a3") ==
          "\u00e0bi\u0307\u4e2d\u03c3");
    CHECK(normal([](Normalizer& n) { n.add_strip_accents(); }, "e\u0301\u0903\u20dd\u00e9") ==
          "e\u00e9");
    const std::string_view spaced = "\u3000 a b\u00a0\n";
    CHECK(normal([](Normalizer& n) { n.add_strip(true, true); }, spaced) == "a b");
    CHECK(normal([](Normalizer& n) { n.add_strip(true, false); }, spaced) == "a b\u00a0\n");
    CHECK(normal([](Normalizer& n) { n.add_strip(false, true); }, spaced) == "\u3000 a b");
    CHECK(normal([](Normalizer& n) { n.add_strip(true, true); }, " \u3000") == "");
    CHECK(normal([](Normalizer& n) { n.add_prepend("_"); }, "a") == "_a");
    CHECK(normal([](Normalizer& n) { n.add_prepend("_"); }, "") == "");
    CHECK(normal([](Normalizer& n) { n.add_replace("b+", "-", "test"); }, "abbcb") == "a-c-");
    const auto single = [](Normalizer& n) { n.add_single_spaces(); };
    CHECK(normal(single, "  a  \n b   ") == "a \n b");
    CHECK(normal(single, " \u3000a\t") == "\u3000a\t");
    CHECK(normal(single, "   ") == "");
    CHECK(normal([](Normalizer& n) { n.add_replace("$", "!", "test"); }, "a") == "a!");
    CHECK(normal([](Normalizer&) {}, "e\u0301") == "e\u0301");
}

TEST_CASE("normalizer: steps follow each other, whatever each leaves") {
    auto all = [](Normalizer& n) {
        n.add_form(NormalForm::kd);
        n.add_strip_accents();
        n.add_lowercase();
        n.add_strip(true, true);
        n.add_replace("x", "", "test");
        n.add_prepend(">");
        n.add_form(NormalForm::c);
    };
    CHECK(normal(all, " \u00c9\ufb01 ") == ">efi");
    CHECK(normal(all, "x") == "");
    CHECK(normal(all, std::string(100, 'A')) == ">" + std::string(100, 'a'));
}

TEST_CASE("normalizer: bytes that are not UTF-8 stay") {
    auto all = [](Normalizer& n) {
        n.add_form(NormalForm::kc);
        n.add_lowercase();
        n.add_strip_accents();
        n.add_strip(true, true);
        n.add_replace("a", "b", "test");
    };
    for (const char* text : {"\xFF", "\xE4\xBD", "\x80\x80"}) CHECK(normal(all, text) == text);
}
