#include "model/text/jinja/characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "model/utf8.h"

namespace qwend::jinja {

namespace {

struct UpperForm {
    char32_t code_point;
    std::string_view upper;
};

// Characters that become several in upper case. Source: The Unicode Character Database 14,
// SpecialCasing.txt, without its conditions.
// clang-format off
constexpr UpperForm kSeveralUpper[] = {
    {0x00DF, "SS"}, {0x0149, "ʼN"}, {0x01F0, "J̌"}, {0x0390, "Ϊ́"}, {0x03B0, "Ϋ́"},
    {0x0587, "ԵՒ"}, {0x1E96, "H̱"}, {0x1E97, "T̈"}, {0x1E98, "W̊"}, {0x1E99, "Y̊"},
    {0x1E9A, "Aʾ"}, {0x1F50, "Υ̓"}, {0x1F52, "Υ̓̀"}, {0x1F54, "Υ̓́"}, {0x1F56, "Υ̓͂"},
    {0x1F80, "ἈΙ"}, {0x1F81, "ἉΙ"}, {0x1F82, "ἊΙ"}, {0x1F83, "ἋΙ"}, {0x1F84, "ἌΙ"},
    {0x1F85, "ἍΙ"}, {0x1F86, "ἎΙ"}, {0x1F87, "ἏΙ"}, {0x1F88, "ἈΙ"}, {0x1F89, "ἉΙ"},
    {0x1F8A, "ἊΙ"}, {0x1F8B, "ἋΙ"}, {0x1F8C, "ἌΙ"}, {0x1F8D, "ἍΙ"}, {0x1F8E, "ἎΙ"},
    {0x1F8F, "ἏΙ"}, {0x1F90, "ἨΙ"}, {0x1F91, "ἩΙ"}, {0x1F92, "ἪΙ"}, {0x1F93, "ἫΙ"},
    {0x1F94, "ἬΙ"}, {0x1F95, "ἭΙ"}, {0x1F96, "ἮΙ"}, {0x1F97, "ἯΙ"}, {0x1F98, "ἨΙ"},
    {0x1F99, "ἩΙ"}, {0x1F9A, "ἪΙ"}, {0x1F9B, "ἫΙ"}, {0x1F9C, "ἬΙ"}, {0x1F9D, "ἭΙ"},
    {0x1F9E, "ἮΙ"}, {0x1F9F, "ἯΙ"}, {0x1FA0, "ὨΙ"}, {0x1FA1, "ὩΙ"}, {0x1FA2, "ὪΙ"},
    {0x1FA3, "ὫΙ"}, {0x1FA4, "ὬΙ"}, {0x1FA5, "ὭΙ"}, {0x1FA6, "ὮΙ"}, {0x1FA7, "ὯΙ"},
    {0x1FA8, "ὨΙ"}, {0x1FA9, "ὩΙ"}, {0x1FAA, "ὪΙ"}, {0x1FAB, "ὫΙ"}, {0x1FAC, "ὬΙ"},
    {0x1FAD, "ὭΙ"}, {0x1FAE, "ὮΙ"}, {0x1FAF, "ὯΙ"}, {0x1FB2, "ᾺΙ"}, {0x1FB3, "ΑΙ"},
    {0x1FB4, "ΆΙ"}, {0x1FB6, "Α͂"}, {0x1FB7, "Α͂Ι"}, {0x1FBC, "ΑΙ"}, {0x1FC2, "ῊΙ"},
    {0x1FC3, "ΗΙ"}, {0x1FC4, "ΉΙ"}, {0x1FC6, "Η͂"}, {0x1FC7, "Η͂Ι"}, {0x1FCC, "ΗΙ"},
    {0x1FD2, "Ϊ̀"}, {0x1FD3, "Ϊ́"}, {0x1FD6, "Ι͂"}, {0x1FD7, "Ϊ͂"}, {0x1FE2, "Ϋ̀"},
    {0x1FE3, "Ϋ́"}, {0x1FE4, "Ρ̓"}, {0x1FE6, "Υ͂"}, {0x1FE7, "Ϋ͂"}, {0x1FF2, "ῺΙ"},
    {0x1FF3, "ΩΙ"}, {0x1FF4, "ΏΙ"}, {0x1FF6, "Ω͂"}, {0x1FF7, "Ω͂Ι"}, {0x1FFC, "ΩΙ"},
    {0xFB00, "FF"}, {0xFB01, "FI"}, {0xFB02, "FL"}, {0xFB03, "FFI"}, {0xFB04, "FFL"},
    {0xFB05, "ST"}, {0xFB06, "ST"}, {0xFB13, "ՄՆ"}, {0xFB14, "ՄԵ"}, {0xFB15, "ՄԻ"},
    {0xFB16, "ՎՆ"}, {0xFB17, "ՄԽ"},
};
// clang-format on

utf8proc_category_t category(char32_t c) {
    return utf8proc_category(utf8proc_int32_t(c));
}

bool is_cased(char32_t c) {
    return is_upper(c) || is_lower(c) || is_title(c);
}

/// What a word may have within it without ending: marks, apostrophes and the like.
bool is_case_ignorable(char32_t c) {
    const auto kind = category(c);
    return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME ||
           kind == UTF8PROC_CATEGORY_CF || kind == UTF8PROC_CATEGORY_LM ||
           kind == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' || c == 0xB7 ||
           c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
}

char32_t char_before(std::string_view text, size_t& at) {
    do at--;
    while (at > 0 && (uint8_t(text[at]) & 0xC0) == 0x80);
    return char32_t(utf8_at(text, at).code_point);
}

/// Whether the sigma at [begin, end) is a word's last letter, but not its only one. It looks no
/// further than a few marks, so that a text of nothing else takes no longer than others.
bool is_final_sigma(std::string_view text, size_t begin, size_t end) {
    constexpr int kFar = 32;
    char32_t before = 0, behind = 0;
    for (int i = 0; begin > 0 && i < kFar; i++)
        if (before = char_before(text, begin); !is_case_ignorable(before)) break;
    for (int i = 0; end < text.size() && i < kFar; i++) {
        const auto c = utf8_at(text, end);
        behind = char32_t(c.code_point);
        if (!is_case_ignorable(behind)) break;
        end += size_t(c.length);
    }
    return is_cased(before) && !is_cased(behind);
}

void append_char(std::string& out, utf8proc_int32_t c) {
    utf8proc_uint8_t bytes[4];
    out.append(reinterpret_cast<char*>(bytes), size_t(utf8proc_encode_char(c, bytes)));
}

std::string_view several_upper(char32_t c) {
    const auto* at =
        std::lower_bound(std::begin(kSeveralUpper), std::end(kSeveralUpper), c,
                         [](const UpperForm& f, char32_t c) { return f.code_point < c; });
    return at != std::end(kSeveralUpper) && at->code_point == c ? at->upper : std::string_view();
}

void append_changed(std::string& out, std::string_view text, size_t at, int length, char32_t c,
                    Case to) {
    const auto code_point = utf8proc_int32_t(c);
    if (to == Case::lower) {
        if (c == 0x130)
            out += "i\xCC\x87";
        else if (c == 0x3A3 && is_final_sigma(text, at, at + size_t(length)))
            out += "\xCF\x82";
        else
            append_char(out, utf8proc_tolower(code_point));
        return;
    }
    const std::string_view several = several_upper(c);
    if (to == Case::upper) {
        if (several.empty())
            append_char(out, utf8proc_toupper(code_point));
        else
            out += several;
        return;
    }
    const auto title = utf8proc_totitle(code_point);
    if (several.empty() || (title != code_point && c != 0xDF)) return append_char(out, title);
    const auto first = size_t(utf8_at(several, 0).length);
    out += several.substr(0, first);
    for (size_t i = first; i < several.size();) {
        const auto rest = utf8_at(several, i);
        append_char(out, utf8proc_tolower(rest.code_point));
        i += size_t(rest.length);
    }
}

}  // namespace

bool is_space(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
    if (c >= 0x20 && c < 0x7F) return true;
    switch (category(c)) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_ZS:
            return false;
        default:
            return true;
    }
}

bool is_letter(char32_t c) {
    const auto kind = category(c);
    return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_decimal(char32_t c) {
    return category(c) == UTF8PROC_CATEGORY_ND;
}

bool is_digit(char32_t c) {
    return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468);
}

bool is_name_start(char32_t c) {
    return c == '_' || is_letter(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool is_name_part(char32_t c) {
    const auto kind = category(c);
    return is_name_start(c) || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_MN ||
           kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_PC;
}

bool is_upper(char32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LU;
}
bool is_lower(char32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA ||
           (c >= 0x24D0 && c <= 0x24E9);
}
bool is_title(char32_t c) {
    return category(c) == UTF8PROC_CATEGORY_LT;
}

void add_changed(TextBuilder& out, const Text& text, size_t begin, size_t end, Case to) {
    std::string run;  // of one origin
    bool run_is_ours = false;
    auto ours = text.ours.begin();
    for (size_t at = begin; at < end;) {
        const auto c = utf8_at(text.bytes, at);
        while (ours != text.ours.end() && ours->end <= at) ++ours;
        const bool is_ours = ours != text.ours.end() && ours->begin <= at;
        if (is_ours != run_is_ours) {
            out.add_bytes(run, run_is_ours);
            run.clear();
            run_is_ours = is_ours;
        }
        append_changed(run, text.bytes, at, c.length, char32_t(c.code_point), to);
        at += size_t(c.length);
    }
    out.add_bytes(run, run_is_ours);
}

Text change_case(Workspace& work, const Text& text, Case to) {
    TextBuilder out(work);
    add_changed(out, text, 0, text.bytes.size(), to);
    return out.take();
}

Range strip(std::string_view text, const Strip& how) {
    auto goes = [&](size_t at, size_t end) {
        if (how.chars == nullptr) return is_space(char32_t(utf8_at(text, at).code_point));
        const std::string_view c = text.substr(at, end - at);
        for (size_t i = 0; i < how.chars->size();) {
            const auto length = size_t(utf8_at(*how.chars, i).length);
            if (how.chars->substr(i, length) == c) return true;
            i += length;
        }
        return false;
    };
    size_t begin = 0, end = text.size();
    while (how.left && begin < end) {
        const size_t next = begin + size_t(utf8_at(text, begin).length);
        if (!goes(begin, next)) break;
        begin = next;
    }
    while (how.right && end > begin) {
        size_t last = end;
        char_before(text, last);
        if (!goes(last, end)) break;
        end = last;
    }
    return {begin, end};
}

std::vector<Line> split_lines(std::string_view text) {
    std::vector<Line> lines;
    size_t begin = 0;
    for (size_t at = 0; at < text.size();) {
        const auto c = utf8_at(text, at);
        const int32_t code = c.code_point;
        const size_t end = at;
        at += size_t(c.length);
        if (code == '\r' && at < text.size() && text[at] == '\n') at++;
        const bool ends = (code >= '\n' && code <= '\r') || (code >= 0x1C && code <= 0x1E) ||
                          code == 0x85 || code == 0x2028 || code == 0x2029;
        if (!ends) continue;
        lines.push_back({begin, end, at});
        begin = at;
    }
    if (begin < text.size()) lines.push_back({begin, text.size(), text.size()});
    return lines;
}

}  // namespace qwend::jinja
