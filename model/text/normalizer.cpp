#include "model/text/normalizer.h"

#include <utf8proc.h>

#include <memory>
#include <utility>

#include "model/text/pretokenizer.h"
#include "model/text/regex.h"
#include "model/utf8.h"

namespace qwend {

namespace {

void append(std::string& out, int32_t code_point) {
    utf8proc_uint8_t bytes[4];
    const auto n = utf8proc_encode_char(code_point, bytes);
    out.append(reinterpret_cast<const char*>(bytes), size_t(n));
}

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
                append(out, utf8proc_tolower(c));
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
        out.clear();
        size_t copied = 0;
        pattern->find_all(text, [&](size_t begin, size_t end) {
            out.append(text.substr(copied, begin - copied)).append(content);
            copied = end;
        });
        out.append(text.substr(copied));
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
