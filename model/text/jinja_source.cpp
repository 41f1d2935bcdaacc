#include "model/text/jinja_source.h"

#include <charconv>
#include <cstdint>

namespace qwend {

namespace {

void append_utf8(std::string& out, uint32_t c) {
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) c = 0xFFFD;
    if (c < 0x80) {
        out += char(c);
        return;
    }
    const int n_more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out += char((0xFF00 >> (n_more + 1) & 0xFF) | c >> (6 * n_more));
    for (int i = n_more - 1; i >= 0; i--) out += char(0x80 | (c >> (6 * i) & 0x3F));
}

/// A number of up to `most` digits at `at` (exactly so many in base 16), which moves behind them.
bool read_digits(std::string_view text, size_t& at, size_t most, int base, uint32_t& value) {
    const std::string_view digits = text.substr(at, most);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    const auto n = size_t(end - digits.data());
    if (error != std::errc() || (base == 16 && n != most)) return false;
    at += n;
    return true;
}

/// The content of a literal as Python's unicode-escape codec reads it, which is what Jinja uses.
std::string decode_literal(std::string_view body) {
    static constexpr std::string_view kNames = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
    std::string out;
    for (size_t at = 0; at < body.size();) {
        if (body[at] != '\\' || at + 1 == body.size()) {
            out += body[at++];
            continue;
        }
        const size_t escape = at++;
        const char name = body[at];
        const size_t digits = name == 'x' ? 2 : name == 'u' ? 4 : name == 'U' ? 8 : 0;
        uint32_t value = 0;
        if (const size_t known = kNames.find(name); known != std::string_view::npos) {
            out += kMeanings[known];
            at++;
        } else if (name == '\n') {  // the line goes on
            at++;
        } else if (name >= '0' && name <= '7') {
            if (read_digits(body, at, 3, 8, value)) append_utf8(out, value);
        } else if (size_t end = at + 1; digits && read_digits(body, end, digits, 16, value)) {
            append_utf8(out, value);
            at = end;
        } else {  // not an escape: Python keeps the backslash
            out += body[escape];
        }
    }
    return out;
}

std::string with_unix_newlines(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t at = 0; at < source.size(); at++) {
        const bool is_crlf = source.substr(at, 2) == "\r\n";
        if (!is_crlf) out += source[at] == '\r' ? '\n' : source[at];
    }
    return out;
}

struct Splitter {
    std::string_view text;
    std::vector<JinjaPiece> pieces;
    size_t at = 0;
    std::string between;  // of the piece under way

    void flush() {
        if (!between.empty()) pieces.push_back({false, std::move(between)});
        between.clear();
    }
    void literal() {
        const char quote = text[at];
        const size_t begin = ++at;
        while (at < text.size() && text[at] != quote) at += text[at] == '\\' ? 2 : 1;
        const size_t end = at < text.size() ? at : text.size();
        flush();
        pieces.push_back({true, decode_literal(text.substr(begin, end - begin))});
        at = end + 1;
    }
    /// {{ … }} or {% … %}, from the opening on.
    void code() {
        const std::string_view close = text[at + 1] == '{' ? "}}" : "%}";
        between += text.substr(at, 2);
        at += 2;
        int depth = 0;  // of braces, which may close where }} stands
        bool spaced = false;
        while (at < text.size()) {
            if (depth == 0 && text.substr(at, 2) == close) break;
            const char c = text[at];
            if (c == ' ' || c == '\n' || c == '\t') {
                spaced = true;
                at++;
                continue;
            }
            const bool at_border = between.ends_with("{{") || between.ends_with("{%") ||
                                   text.substr(at, 3) == "-" + std::string(close);
            if (spaced && !at_border) between += ' ';
            spaced = false;
            if (c == '\'' || c == '"') {
                literal();
                continue;
            }
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            between += c;
            at++;
            // The sign that takes white space away belongs to the brackets.
            if (c == '-' && (between.ends_with("{{-") || between.ends_with("{%-")))
                while (at < text.size() &&
                       (text[at] == ' ' || text[at] == '\n' || text[at] == '\t'))
                    at++;
        }
        between += text.substr(at < text.size() ? at : text.size(), 2);
        at += 2;
    }
    void all() {
        while (at < text.size()) {
            const std::string_view two = text.substr(at, 2);
            if (two == "{{" || two == "{%") {
                code();
                continue;
            }
            const size_t close = two == "{#" ? text.find("#}", at) : at;
            const size_t end = close == std::string_view::npos ? text.size() : close + 1;
            between += text.substr(at, end - at);
            at = end;
        }
        flush();
    }
};

}  // namespace

std::vector<JinjaPiece> split_jinja_source(std::string_view source) {
    const std::string text = with_unix_newlines(source);
    Splitter splitter{text, {}, 0, {}};
    splitter.all();
    return std::move(splitter.pieces);
}

}  // namespace qwend
