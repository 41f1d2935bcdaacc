#include "model/grammar/lark_common.h"

#include <utility>

#include "model/grammar/notation_reader.h"
#include "model/grammar/syntax_parts.h"
#include "model/grammar/unicode_sets.h"

namespace qwend::grammar {

namespace {

template <typename... Parts>
std::vector<Syntax> list(Parts... parts) {
    std::vector<Syntax> out;
    (out.push_back(std::move(parts)), ...);
    return out;
}

template <typename... Parts>
Syntax seq(Parts... parts) {
    return sequence_of(list(std::move(parts)...));
}

template <typename... Parts>
Syntax any(Parts... parts) {
    return choice_of(list(std::move(parts)...));
}

Syntax some(Syntax part) {
    return repeat_of(std::move(part), 1, kUnbounded);
}
Syntax many(Syntax part) {
    return repeat_of(std::move(part), 0, kUnbounded);
}
Syntax maybe(Syntax part) {
    return repeat_of(std::move(part), 0, 1);
}

Syntax text(std::string_view ascii) {
    return literal_of({ascii.begin(), ascii.end()});
}
Syntax range(char first, char last) {
    return one_of(CodePointSet(uint32_t(first), uint32_t(last)));
}

Syntax chars(std::u32string_view of) {
    std::vector<CodePointRange> ranges;
    for (char32_t c : of) ranges.push_back({c, c});
    return one_of(set_of(std::move(ranges)));
}

Syntax others_than(std::u32string_view of) {
    Syntax out = chars(of);
    out.set = out.set.complement();
    return out;
}

Syntax signed_of(Syntax part) {
    return seq(maybe(chars(U"+-")), std::move(part));
}

Syntax digit() {
    return range('0', '9');
}
Syntax hex_digit() {
    return any(digit(), range('a', 'f'), range('A', 'F'));
}
Syntax integer() {
    return some(digit());
}
Syntax signed_integer() {
    return signed_of(integer());
}
Syntax decimal() {
    return any(seq(integer(), text("."), maybe(integer())), seq(text("."), integer()));
}
Syntax exponent() {
    return seq(chars(U"eE"), signed_integer());
}
Syntax real() {
    return any(seq(integer(), exponent()), seq(decimal(), maybe(exponent())));
}
Syntax signed_real() {
    return signed_of(real());
}
Syntax number() {
    return any(real(), integer());
}
Syntax signed_number() {
    return signed_of(number());
}

Syntax escaped_string() {
    Syntax inner = any(others_than(U"\"\\\n"), seq(text("\\"), others_than(U"\n")));
    return seq(text("\""), many(std::move(inner)), text("\""));
}

Syntax small_letter() {
    return range('a', 'z');
}
Syntax capital_letter() {
    return range('A', 'Z');
}
Syntax letter() {
    return any(small_letter(), capital_letter());
}
Syntax word() {
    return some(letter());
}
Syntax c_name() {
    return seq(any(letter(), text("_")), many(any(letter(), digit(), text("_"))));
}

Syntax inline_space() {
    return some(chars(U" \t"));
}
Syntax space() {
    return some(chars(U" \t\f\r\n"));
}
Syntax carriage_return() {
    return text("\r");
}
Syntax line_feed() {
    return text("\n");
}
Syntax new_line() {
    return some(seq(maybe(carriage_return()), line_feed()));
}

Syntax line_comment(std::string_view mark) {
    return seq(text(mark), many(others_than(U"\n")));
}
Syntax sh_comment() {
    return line_comment("#");
}
Syntax cpp_comment() {
    return line_comment("//");
}
Syntax sql_comment() {
    return line_comment("--");
}
Syntax c_comment() {
    // Stars that no slash follows, and then those that end it.
    Syntax inner = any(others_than(U"*"), seq(some(text("*")), others_than(U"*/")));
    return seq(text("/*"), many(std::move(inner)), some(text("*")), text("/"));
}

struct CommonTerminal {
    std::string_view name;
    Syntax (*syntax)();
};

constexpr CommonTerminal kTerminals[] = {
    {"DIGIT", digit},
    {"HEXDIGIT", hex_digit},
    {"INT", integer},
    {"SIGNED_INT", signed_integer},
    {"DECIMAL", decimal},
    {"FLOAT", real},
    {"SIGNED_FLOAT", signed_real},
    {"NUMBER", number},
    {"SIGNED_NUMBER", signed_number},
    {"ESCAPED_STRING", escaped_string},
    {"LCASE_LETTER", small_letter},
    {"UCASE_LETTER", capital_letter},
    {"LETTER", letter},
    {"WORD", word},
    {"CNAME", c_name},
    {"WS_INLINE", inline_space},
    {"WS", space},
    {"CR", carriage_return},
    {"LF", line_feed},
    {"NEWLINE", new_line},
    {"SH_COMMENT", sh_comment},
    {"CPP_COMMENT", cpp_comment},
    {"C_COMMENT", c_comment},
    {"SQL_COMMENT", sql_comment},
};

}  // namespace

std::optional<Syntax> lark_common_terminal(std::string_view name) {
    for (const CommonTerminal& terminal : kTerminals)
        if (terminal.name == name) return terminal.syntax();
    return std::nullopt;
}

}  // namespace qwend::grammar
