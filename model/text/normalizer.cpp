#include "model/text/normalizer.h"

#include <utf8proc.h>

#include <memory>
#include <utility>

#include "model/text/byte_alphabet.h"
#include "model/text/code_points.h"
#include "model/text/pretokenizer.h"
#include "model/text/regex.h"
#include "model/utf8.h"

namespace qwend {

namespace {

/// Calls `map(character, its text)` for each; what is not UTF-8 is copied.
template <class Map>
bool map_chars(std::string_view text, std::string& out, Map map) {
    out.clear();
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        const std::string_view own = text.substr(at, size_t(c.length));
        if (c.valid)
            map(c.code_point, own);
        else
            out.append(own);
        at += size_t(c.length);
    }
    return true;
}

bool is_mark(int32_t c) {
    switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_MN:
        case UTF8PROC_CATEGORY_MC:
        case UTF8PROC_CATEGORY_ME:
            return true;
        default:
            return false;
    }
}

/// What SentencePiece's NMT rules take out.
bool is_nmt_control(int32_t c) {
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
}

/// And what they make a space of.
bool is_nmt_space(int32_t c) {
    return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/// What BERT's own code calls a control: category C, but for what is not assigned and for three
/// that it calls spaces.
bool is_bert_control(int32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    switch (utf8proc_category(c)) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CO:
            return true;
        default:
            return false;
    }
}

/// The blocks that BERT's own code calls Chinese.
bool is_ideograph(int32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_space_at(std::string_view text, size_t at) {
    const DecodedChar c = utf8_at(text, at);
    return c.valid && is_white_space(c.code_point);
}

std::string_view strip(std::string_view text, bool left, bool right) {
    size_t begin = 0, end = text.size();
    while (left && begin < end && is_space_at(text, begin))
        begin += size_t(utf8_at(text, begin).length);
    while (right && end > begin) {
        size_t last = end - 1;  // where the last character begins
        while (last > begin && (uint8_t(text[last]) & 0xC0) == 0x80) last--;
        if (!is_space_at(text, last) || last + size_t(utf8_at(text, last).length) != end) break;
        end = last;
    }
    return text.substr(begin, end - begin);
}

}  // namespace

void Normalizer::add_form(NormalForm form) {
    steps_.push_back([form](std::string_view text, std::string& out) {
        return to_normal_form(form, text, out).data() != text.data();
    });
}

void Normalizer::add_lowercase() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view) {
            if (c == 0x130)
                out += "i\u0307";  // the only one that becomes two
            else
                append_code_point(out, utf8proc_tolower(c));
        });
    });
}

void Normalizer::add_strip_accents() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view own) {
            if (!is_mark(c)) out.append(own);
        });
    });
}

void Normalizer::add_byte_alphabet() {
    steps_.push_back([](std::string_view text, std::string& out) {
        out.clear();
        append_alphabet(text, out);
        return true;
    });
}

void Normalizer::add_nmt() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view own) {
            if (!is_nmt_control(c)) out.append(is_nmt_space(c) ? " " : own);
        });
    });
}

void Normalizer::add_single_spaces() {
    steps_.push_back([](std::string_view text, std::string& out) {
        out.clear();
        for (const char c : text)
            if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
        if (out.ends_with(' ')) out.pop_back();
        return true;
    });
}

void Normalizer::add_charsmap(CharsMap charsmap) {
    auto map = std::make_shared<const CharsMap>(std::move(charsmap));
    steps_.push_back([map = std::move(map)](std::string_view text, std::string& out) {
        map->normalize(text, out);
        return true;
    });
}

void Normalizer::add_clean_text() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view own) {
            if (c != 0xFFFD && !is_bert_control(c)) out.append(is_white_space(c) ? " " : own);
        });
    });
}

void Normalizer::add_spaced_ideographs() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view own) {
            const std::string_view space = is_ideograph(c) ? " " : "";
            out.append(space).append(own).append(space);
        });
    });
}

void Normalizer::add_strip_nonspacing() {
    steps_.push_back([](std::string_view text, std::string& out) {
        return map_chars(text, out, [&](int32_t c, std::string_view own) {
            if (utf8proc_category(c) != UTF8PROC_CATEGORY_MN) out.append(own);
        });
    });
}

void Normalizer::add_strip(bool left, bool right) {
    steps_.push_back([=](std::string_view text, std::string& out) {
        out = strip(text, left, right);
        return true;
    });
}

void Normalizer::add_prepend(std::string prefix) {
    steps_.push_back([prefix = std::move(prefix)](std::string_view text, std::string& out) {
        if (text.empty()) return false;
        out = prefix;
        out.append(text);
        return true;
    });
}

void Normalizer::add_replace(const std::string& regex, std::string content,
                             const std::string& source) {
    auto pattern = std::make_shared<const Regex>(regex, source + ": normalizer");
    steps_.push_back([pattern = std::move(pattern), content = std::move(content)](
                         std::string_view text, std::string& out) {
        out = text;
        pattern->replace_all(out, content);
        return true;
    });
}

std::string_view Normalizer::normalize(std::string_view text, std::string& storage) const {
    std::string out;
    for (const Step& step : steps_)
        if (step(text, out)) {
            storage.swap(out);
            text = storage;
        }
    return text;
}

}  // namespace qwend
