#include "model/text/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "model/utf8.h"

namespace qwend {

namespace {

constexpr int kMostPerChar = 32;  // code points; U+FDFA becomes eighteen, none becomes more

bool composes(NormalForm form) {
    return form == NormalForm::c || form == NormalForm::kc;
}

/// A character that is normal by itself and never combines with what stands before it: text may be
/// cut in front of it, and between two of them nothing changes. Most text is made of these; the
/// others are only slower.
bool is_boundary(NormalForm form, int32_t c) {
    if (c < 0x80 || (c >= 0x3400 && c < 0x4DC0) || (c >= 0x4E00 && c < 0xA000)) return true;
    if (composes(form) && c >= 0xAC00 && c < 0xD7A4) return true;
    return form == NormalForm::c && ((c >= 0x3000 && c < 0x302A) || (c >= 0xFF00 && c < 0xFF60));
}

utf8proc_option_t options_of(NormalForm form) {
    const int compatible =
        form == NormalForm::kc || form == NormalForm::kd ? int(UTF8PROC_COMPAT) : 0;
    return utf8proc_option_t(UTF8PROC_STABLE | compatible |
                             int(composes(form) ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE));
}

int combining_class(int32_t c) {
    return utf8proc_get_property(c)->combining_class;
}

/// The canonical ordering algorithm: within each run of marks (characters whose class is not 0) a
/// stable sort by class. utf8proc's own exchanges neighbours, which is quadratic in a run.
void sort_marks(std::vector<int32_t>& chars, size_t from) {
    for (size_t at = from; at < chars.size();) {
        size_t end = at;
        bool sorted = true;
        for (int last = 0, cls; end < chars.size() && (cls = combining_class(chars[end])); end++)
            sorted = sorted && cls >= last, last = cls;
        if (!sorted)
            std::stable_sort(
                chars.begin() + std::ptrdiff_t(at), chars.begin() + ptrdiff_t(end),
                [](int32_t a, int32_t b) { return combining_class(a) < combining_class(b); });
        at = end + 1;
    }
}

/// Appends the normal form of `text`, which is cut at boundaries; false if it is not valid UTF-8.
/// `chars` is scratch.
bool append_normal(NormalForm form, std::string_view text, std::vector<int32_t>& chars,
                   std::string& out) {
    chars.clear();
    for (size_t at = 0; at < text.size();) {
        const DecodedChar c = utf8_at(text, at);
        if (!c.valid) return false;
        at += size_t(c.length);
        int32_t parts[kMostPerChar];
        int boundclass = 0;
        const auto n = utf8proc_decompose_char(c.code_point, parts, kMostPerChar, options_of(form),
                                               &boundclass);
        if (n < 0 || n > kMostPerChar) return false;
        chars.insert(chars.end(), parts, parts + n);
    }
    sort_marks(chars, 0);
    auto n = utf8proc_ssize_t(chars.size());
    if (composes(form)) n = utf8proc_normalize_utf32(chars.data(), n, options_of(form));
    if (n < 0) return false;
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        utf8proc_uint8_t bytes[4];
        const auto length = utf8proc_encode_char(chars[size_t(i)], bytes);
        out.append(reinterpret_cast<const char*>(bytes), size_t(length));
    }
    return true;
}

}  // namespace

std::string_view to_normal_form(NormalForm form, std::string_view text, std::string& storage) {
    std::vector<int32_t> chars;
    storage.clear();
    size_t copied = 0;  // text before it stands in storage, normalised
    size_t cut = 0;     // the last boundary seen
    for (size_t at = 0; at < text.size();) {
        // Two ASCII characters are two boundaries: nothing to do for the first.
        if (uint8_t(text[at]) < 0x80) {
            cut = at++;
            continue;
        }
        DecodedChar c = utf8_at(text, at);
        if (!c.valid) return text;
        if (is_boundary(form, c.code_point)) {
            cut = at;
            at += size_t(c.length);
            continue;
        }
        size_t end = at;
        while (end < text.size() && !(c.valid && is_boundary(form, c.code_point))) {
            if (!c.valid) return text;
            end += size_t(c.length);
            c = utf8_at(text, end);
        }
        storage.append(text.substr(copied, cut - copied));
        if (!append_normal(form, text.substr(cut, end - cut), chars, storage)) return text;
        copied = cut = at = end;
    }
    if (copied == 0) return text;
    storage.append(text.substr(copied));
    return storage;
}

}  // namespace qwend
