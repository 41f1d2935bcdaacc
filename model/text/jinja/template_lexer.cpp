#include "model/text/jinja/template_lexer.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "model/text/jinja/characters.h"
#include "model/text/jinja/workspace.h"
#include "model/utf8.h"

namespace qwend::jinja {

namespace {

/// \r\n and \r are \n, and the newline that ends the text is dropped, but no second one.
std::string normalize_newlines(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); i++) {
        if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
        out += source[i] == '\r' ? '\n' : source[i];
    }
    if (out.ends_with('\n')) out.pop_back();
    return out;
}

bool is_ascii_digit(char c) {
    return c >= '0' && c <= '9';
}

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(normalize_newlines(source)) {
        for (size_t at = 0; at < source_.size();) {
            const auto c = utf8_at(source_, at);
            if (!c.valid) throw Failure{"the template is not UTF-8", line_at(at)};
            at += size_t(c.length);
        }
    }

    std::vector<Token> run() {
        while (at_ < source_.size()) text();
        push(Token::end, {});
        return std::move(tokens_);
    }

  private:
    void text();
    void raw();
    void comment();
    void code(Token::Kind end);
    bool code_end(Token::Kind end);
    void code_token();
    bool number();
    void string();
    void op();

    void push(Token::Kind kind, std::string text) {
        tokens_.push_back({kind, line_at(at_), std::move(text)});
    }
    void push_data(size_t end, char sign, bool is_variable);
    bool looking_at(std::string_view text) const {
        return std::string_view(source_).substr(at_).starts_with(text);
    }
    char peek(size_t ahead = 0) const {
        return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
    }
    bool skip_spaces();
    void take_newline() {
        if (peek() == '\n') at_++;
    }
    /// Takes what ends a tag: `+%}`, `-%}` with the white space behind it, `%}` with a newline.
    bool take_end(std::string_view mark, bool trims);
    /// The byte behind `-%}` or `%}` of a tag of one word, and its sign; empty if it is none.
    struct WordTag {
        char sign;
        size_t end;
    };
    std::optional<WordTag> word_tag(size_t at, std::string_view word) const;
    int line_at(size_t at) {
        for (; counted_ < at; counted_++)
            if (source_[counted_] == '\n') line_++;
        return line_;
    }
    [[noreturn]] void fail(std::string message) { throw Failure{std::move(message), line_at(at_)}; }

    const std::string source_;
    size_t at_ = 0;
    bool line_starting_ = true;  // nothing but what a tag took away stands before, on this line
    std::string open_;           // what closes the brackets that are open
    std::vector<Token> tokens_;
    size_t counted_ = 0;
    int line_ = 1;
};

bool Lexer::skip_spaces() {
    const size_t begin = at_;
    while (at_ < source_.size()) {
        const auto c = utf8_at(source_, at_);
        if (!is_space(char32_t(c.code_point))) break;
        at_ += size_t(c.length);
    }
    return at_ > begin;
}

bool Lexer::take_end(std::string_view mark, bool trims) {
    const size_t signs = peek() == '-' || (peek() == '+' && trims) ? 1 : 0;
    if (!std::string_view(source_).substr(at_ + signs).starts_with(mark)) return false;
    const char sign = signs == 1 ? peek() : '\0';
    at_ += signs + mark.size();
    if (sign == '-')
        skip_spaces();
    else if (sign == '\0' && trims)
        take_newline();
    line_starting_ = source_[at_ - 1] == '\n';
    return true;
}

/// Text up to `end`, where a tag with that sign begins.
void Lexer::push_data(size_t end, char sign, bool is_variable) {
    std::string_view data = std::string_view(source_).substr(at_, end - at_);
    if (sign == '-') {
        data = data.substr(0, strip(data, {.left = false}).end);
    } else if (sign != '+' && !is_variable) {
        const size_t newline = data.rfind('\n');
        const size_t line = newline == data.npos ? 0 : newline + 1;
        if ((line > 0 || line_starting_) && strip(data.substr(line), {.left = false}).end == 0)
            data = data.substr(0, line);
    }
    if (!data.empty()) push(Token::data, std::string(data));
    at_ = end;
}

std::optional<Lexer::WordTag> Lexer::word_tag(size_t at, std::string_view word) const {
    const std::string_view rest(source_);
    auto spaces = [&] {
        while (at < rest.size()) {
            const auto c = utf8_at(rest, at);
            if (!is_space(char32_t(c.code_point))) break;
            at += size_t(c.length);
        }
    };
    at += 2;
    const char sign = at < rest.size() && (rest[at] == '-' || rest[at] == '+') ? rest[at] : '\0';
    if (sign != '\0') at++;
    spaces();
    if (!rest.substr(at).starts_with(word)) return std::nullopt;
    at += word.size();
    spaces();
    return WordTag{sign, at};
}

void Lexer::text() {
    size_t tag = at_;
    for (;; tag++) {
        tag = source_.find('{', tag);
        if (tag == std::string::npos) {
            push(Token::data, source_.substr(at_));
            at_ = source_.size();
            return;
        }
        const char second = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
        if (second == '%' || second == '{' || second == '#') break;
    }
    const char kind = source_[tag + 1];
    const char next = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const char sign = next == '-' || next == '+' ? next : '\0';
    push_data(tag, sign, kind == '{');
    if (kind == '%') {
        if (const auto raw_tag = word_tag(at_, "raw")) {
            const std::string_view rest = std::string_view(source_).substr(raw_tag->end);
            if (rest.starts_with("%}") || rest.starts_with("-%}")) {
                at_ = raw_tag->end;
                return raw();
            }
        }
    }
    if (kind != '#') push(kind == '{' ? Token::variable_begin : Token::block_begin, {});
    at_ += sign == '\0' ? 2 : 3;
    if (kind == '#') return comment();
    code(kind == '{' ? Token::variable_end : Token::block_end);
}

void Lexer::raw() {
    take_end("%}", false);
    for (size_t tag = at_; (tag = source_.find("{%", tag)) != std::string::npos; tag++) {
        const auto end_tag = word_tag(tag, "endraw");
        if (!end_tag) continue;
        const std::string_view rest = std::string_view(source_).substr(end_tag->end);
        if (!rest.starts_with("%}") && !rest.starts_with("-%}") && !rest.starts_with("+%}"))
            continue;
        push_data(tag, end_tag->sign, false);
        at_ = end_tag->end;
        take_end("%}", true);
        return;
    }
    if (at_ < source_.size()) fail("Missing end of raw directive");
}

void Lexer::comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos && at_ == source_.size()) return;  // as Jinja takes it
    if (end == std::string::npos) fail("Missing end of comment tag");
    at_ = end > at_ && (source_[end - 1] == '-' || source_[end - 1] == '+') ? end - 1 : end;
    take_end("#}", true);
}

bool Lexer::code_end(Token::Kind end) {
    if (!open_.empty()) return false;
    const size_t begin = at_;
    if (!take_end(end == Token::block_end ? "%}" : "}}", end == Token::block_end)) return false;
    tokens_.push_back({end, line_at(begin), {}});
    return true;
}

void Lexer::code(Token::Kind end) {
    open_.clear();
    while (!code_end(end)) {
        if (at_ >= source_.size()) return;
        code_token();
    }
}

void Lexer::code_token() {
    if (skip_spaces() || number()) return;
    if (peek() == '\'' || peek() == '"') return string();
    const size_t begin = at_;
    while (at_ < source_.size()) {
        const auto c = utf8_at(source_, at_);
        const auto code = char32_t(c.code_point);
        if (at_ == begin ? !is_name_start(code) : !is_name_part(code)) break;
        at_ += size_t(c.length);
    }
    if (at_ == begin) return op();
    tokens_.push_back({Token::name, line_at(begin), source_.substr(begin, at_ - begin)});
}

/// Where digits that underscores may part end; `at` if there are none.
size_t digits_end(std::string_view text, size_t at, auto is_digit) {
    size_t end = at;
    while (end < text.size()) {
        const bool parted = text[end] == '_' && end > at && end + 1 < text.size();
        if (!is_digit(text[parted ? end + 1 : end])) break;
        end += parted ? 2 : 1;
    }
    return end;
}

bool Lexer::number() {
    const std::string_view text = source_;
    if (!is_ascii_digit(peek())) return false;
    const size_t begin = at_;
    size_t end = digits_end(text, begin, is_ascii_digit);
    size_t real_end = end;
    if (end < text.size() && text[end] == '.')
        if (const size_t fraction = digits_end(text, end + 1, is_ascii_digit); fraction > end + 1)
            real_end = fraction;
    if (real_end < text.size() && (text[real_end] | 0x20) == 'e') {
        size_t digits = real_end + 1;
        if (digits < text.size() && (text[digits] == '+' || text[digits] == '-')) digits++;
        if (const size_t exponent = digits_end(text, digits, is_ascii_digit); exponent > digits)
            real_end = exponent;
    }
    Token::Kind kind = Token::integer;
    if (real_end > end && (begin == 0 || text[begin - 1] != '.')) {
        kind = Token::real;
        end = real_end;
    } else if (text[begin] == '0') {
        const char base = begin + 1 < text.size() ? char(text[begin + 1] | 0x20) : '\0';
        auto is_digit = [&](char c) {
            if (base == 'b') return c == '0' || c == '1';
            if (base == 'o') return c >= '0' && c <= '7';
            return is_ascii_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        };
        size_t based = begin + 2;
        if (base == 'b' || base == 'o' || base == 'x') {
            if (based < text.size() && text[based] == '_') based++;
            based = digits_end(text, based, is_digit);
        }
        if (based > begin + 2 && text[based - 1] != '_')
            end = based;
        else
            end = digits_end(text, begin, [](char c) { return c == '0'; });
    }
    std::string digits(text.substr(begin, end - begin));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    at_ = end;
    push(kind, std::move(digits));
    return true;
}

/// Decodes the escapes of Python's string literals in what stands between the quotes.
struct StringDecoder {
    std::string_view text;
    std::string out;
    size_t at = 0;

    void run() {
        while (at < text.size()) {
            if (text[at] != '\\')
                out += text[at++];
            else
                escape();
        }
    }
    void escape() {
        constexpr std::string_view kNames = "\\'\"abfnrtv", kMeant = "\\'\"\a\b\f\n\r\t\v";
        const char c = text[at + 1];  // the lexer ends no literal within an escape
        at += 2;
        if (c == '\n') return;
        if (const size_t i = kNames.find(c); i != kNames.npos)
            out += kMeant[i];
        else if (c == 'x' || c == 'u' || c == 'U')
            code_point(c == 'x' ? 2 : c == 'u' ? 4 : 8);
        else if (c >= '0' && c <= '7')
            octal(c - '0');
        else if (c == 'N')
            throw Failure{"characters by name (\\N) are not supported"};
        else
            (out += '\\') += c;
    }
    void code_point(size_t n_digits) {
        uint32_t code = 0;
        for (size_t i = 0; i < n_digits; i++, at++) {
            const char c = at < text.size() ? text[at] : '\0';
            const bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
            if (!is_ascii_digit(c) && !is_letter) throw Failure{"truncated escape in a string"};
            code = code << 4 | uint32_t(is_letter ? (c | 0x20) - 'a' + 10 : c - '0');
        }
        append(code);
    }
    void octal(int code) {
        for (int i = 0; i < 2 && at < text.size() && text[at] >= '0' && text[at] <= '7'; i++)
            code = code * 8 + (text[at++] - '0');
        append(uint32_t(code));
    }
    void append(uint32_t code) {
        if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            throw Failure{"an escape in a string is not a character"};
        utf8proc_uint8_t bytes[4];
        const auto n = utf8proc_encode_char(utf8proc_int32_t(code), bytes);
        out.append(reinterpret_cast<char*>(bytes), size_t(n));
    }
};

void Lexer::string() {
    const size_t begin = at_;
    const char quote = source_[at_];
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail(fmt::format("unexpected char '{}' at {}", quote, begin));
    StringDecoder decoder{std::string_view(source_).substr(begin + 1, end - begin - 1), {}};
    try {
        decoder.run();
    } catch (const Failure& failure) {
        fail(failure.message);
    }
    push(Token::string, std::move(decoder.out));
    at_ = end + 1;
}

void Lexer::op() {
    constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    for (const std::string_view two : kTwo)
        if (looking_at(two)) {
            push(Token::op, std::string(two));
            at_ += 2;
            return;
        }
    const char c = peek();
    if (kOne.find(c) == kOne.npos || c == '\0')
        fail(fmt::format("unexpected char '{}' at {}",
                         source_.substr(at_, size_t(utf8_at(source_, at_).length)), at_));
    constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (const size_t i = kOpening.find(c); i != kOpening.npos) open_ += kClosing[i];
    if (kClosing.find(c) != kClosing.npos) {
        if (open_.empty()) fail(fmt::format("unexpected '{}'", c));
        if (open_.back() != c) fail(fmt::format("unexpected '{}', expected '{}'", c, open_.back()));
        open_.pop_back();
    }
    push(Token::op, std::string(1, c));
    at_++;
}

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
    return Lexer(source).run();
}

}  // namespace qwend::jinja
