#include "model/text/scripts.h"

#include <oniguruma.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace qwend {

namespace {

// Those of Unicode 13, by the names that Oniguruma's tables have for them; Han is the first.
constexpr std::string_view kScripts =
    "Han Hiragana Katakana Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum "
    "Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal "
    "Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot "
    "Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic "
    "Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Hangul "
    "Hanifi_Rohingya Hanunoo Hatran Hebrew Imperial_Aramaic Inherited Inscriptional_Pahlavi "
    "Inscriptional_Parthian Javanese Kaithi Kannada Kayah_Li Kharoshthi Khitan_Small_Script Khmer "
    "Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar "
    "Malayalam Mandaic Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui "
    "Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean "
    "Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian "
    "Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic "
    "Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi "
    "Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian "
    "Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet "
    "Takri Tamil Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Ugaritic Vai Wancho "
    "Warang_Citi Yezidi Yi Zanabazar_Square";
constexpr int kHan = 1, kLastOfJapanese = 3;

struct Range {
    int32_t first, last;
    int script;
};

void add_ranges(std::string name, int script, std::vector<Range>& ranges) {
    auto* begin = reinterpret_cast<OnigUChar*>(name.data());
    const OnigEncoding encoding = ONIG_ENCODING_UTF8;
    const int type = encoding->property_name_to_ctype(encoding, begin, begin + name.size());
    OnigCodePoint ignored = 0;
    const OnigCodePoint* pairs = nullptr;  // how many, and the first and last of each
    if (type < 0 || encoding->get_ctype_code_range(OnigCtype(type), &ignored, &pairs) < 0) return;
    for (OnigCodePoint i = 0; i < pairs[0]; i++)
        ranges.push_back({int32_t(pairs[2 * i + 1]), int32_t(pairs[2 * i + 2]), script});
}

std::vector<Range> all_ranges() {
    std::vector<Range> ranges;
    int script = kHan;
    for (size_t at = 0; at < kScripts.size(); script++) {
        const size_t end = std::min(kScripts.find(' ', at), kScripts.size());
        add_ranges(std::string(kScripts.substr(at, end - at)),
                   script <= kLastOfJapanese ? kHan : script, ranges);
        at = end + 1;
    }
    std::ranges::sort(ranges, {}, &Range::first);
    return ranges;
}

}  // namespace

int script_of(int32_t c) {
    static const std::vector<Range> ranges = all_ranges();
    if (c == 0x30FC) return kHan;  // the mark that lengthens a vowel
    auto behind = std::ranges::upper_bound(ranges, c, {}, &Range::first);
    if (behind == ranges.begin() || (--behind)->last < c) return 0;
    return behind->script;
}

}  // namespace qwend
