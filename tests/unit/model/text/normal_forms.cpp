// Normal forms against utf8proc's own, which is right but quadratic in runs of marks.

#include "model/text/normal_forms.h"

#include <doctest/doctest.h>
#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include "model/utf8.h"

using namespace qwend;

namespace {

std::string normal(NormalForm form, std::string_view text) {
    std::string storage;
    return std::string(to_normal_form(form, text, storage));
}

std::string nfc(std::string_view text) {
    return normal(NormalForm::c, text);
}

std::string slow_normal(NormalForm form, const std::string& text) {
    const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.c_str());
    auto* mapped = form == NormalForm::c    ? utf8proc_NFC(bytes)
                   : form == NormalForm::d  ? utf8proc_NFD(bytes)
                   : form == NormalForm::kc ? utf8proc_NFKC(bytes)
                                            : utf8proc_NFKD(bytes);
    std::string out(reinterpret_cast<const char*>(mapped));
    std::free(mapped);
    return out;
}

std::string utf8(int32_t c) {
    utf8proc_uint8_t bytes[4];
    return {reinterpret_cast<const char*>(bytes), size_t(utf8proc_encode_char(c, bytes))};
}

/// The assigned characters that take part in normalisation, and those around them.
const std::vector<int32_t>& interesting() {
    static const std::vector<int32_t> list = [] {
        std::vector<int32_t> out{'a', 'e', 'E', ' ', '<', 0x4E2D, 0x3042, 0xFF0C, 0x3002};
        for (int32_t c = 1; c < 0x30000; c++) {
            if (!utf8proc_codepoint_valid(c)) continue;
            const utf8proc_property_t* p = utf8proc_get_property(c);
            const bool hangul = (c >= 0x1100 && c < 0x1200) || (c >= 0xAC00 && c < 0xAC40);
            if (p->combining_class || p->decomp_seqindex != UINT16_MAX || hangul) out.push_back(c);
        }
        return out;
    }();
    return list;
}

}  // namespace

TEST_CASE("normal forms: the same as utf8proc on every character and on random rows of marks") {
    using enum NormalForm;
    for (int32_t character : interesting()) {
        const std::string text = utf8(character);
        for (NormalForm form : {c, d, kc, kd})
            CHECK_MESSAGE(normal(form, text) == slow_normal(form, text), text);
    }
    std::mt19937 random(std::random_device{}());
    const std::vector<int32_t> few = {'a',    'o',    0x300,  0x301,  0x323,  0x327,  0x345,
                                      0x308,  0x5B0,  0x1100, 0x1161, 0x11A8, 0xAC00, 0x3099,
                                      0xE4,   0x1E9B, 0x4E2D, 0x302A, 0x0F73, 0x3042, 0xFB1D,
                                      0x2126, 0xFF76, 0xFF9E, 0xFDFA};
    for (int round = 0; round < 20000; round++) {
        const auto& from = round % 2 ? few : interesting();
        std::string text;
        for (unsigned n = 1 + random() % 12; n > 0; n--) text += utf8(from[random() % from.size()]);
        CAPTURE(text);
        const auto form = NormalForm(round / 2 % 4);
        CHECK(normal(form, text) == slow_normal(form, text));
    }
}

TEST_CASE("normal forms: what is normal already stays, what is not UTF-8 is left alone") {
    CHECK(nfc("") == "");
    CHECK(nfc("plain") == "plain");
    CHECK(nfc("你好，世界。") == "你好，世界。");
    CHECK(nfc("e\u0301") == "\u00e9");
    CHECK(nfc("\u1100\u1161\u11a8") == "\uac01");
    CHECK(nfc("\uac00\u11a8") == "\uac01");
    CHECK(nfc("\u0958") == "\u0915\u093c");  // excluded from composition
    CHECK(nfc("a\u0327\u0301") == "\u00e1\u0327");
    CHECK(nfc("a\u0301\u0323") == "\u1ea1\u0301");
    CHECK(nfc("e\u0301\xFF") == "e\u0301\xFF");
    CHECK(nfc("e\u0301 \xE4\xBD") == "e\u0301 \xE4\xBD");
}

TEST_CASE("normal forms: a run of a million marks comes out ordered, each class in its own order") {
    // utf8proc takes hours for it.
    const std::string marks[] = {"\u0300", "\u0323", "\u0327", "\u0301", "\u0345"};
    std::string text = "x", sorted = "x";
    std::mt19937 random(std::random_device{}());
    std::vector<std::string> run;
    for (int i = 0; i < 1'000'000; i++) run.push_back(marks[random() % 5]);
    for (const std::string& mark : run) text += mark;
    auto cls = [](const std::string& mark) {
        return utf8proc_get_property(utf8_at(mark, 0).code_point)->combining_class;
    };
    std::stable_sort(run.begin(), run.end(),
                     [&](const auto& a, const auto& b) { return cls(a) < cls(b); });
    for (const std::string& mark : run) sorted += mark;
    // x takes none of these marks in: ordering is all there is to do.
    CHECK(nfc(text) == sorted);
    // Composition goes through such a run as well: the first dot below is no longer blocked.
    const std::string composed = nfc("a" + text.substr(1));
    CHECK(composed.starts_with("\u1ea1"));
    CHECK(nfc(composed) == composed);
}
