// Tokens of a template, and the white space that its tags take away.

#include "model/text/jinja/template_lexer.h"

#include <doctest/doctest.h>

#include "model/text/jinja/workspace.h"

using namespace qwend::jinja;

namespace {

/// Data as it is, code as its tokens with a space between.
std::string shown(std::string_view source) {
    std::string out;
    for (const Token& token : tokenize(source)) {
        if (token.kind == Token::end) break;
        if (token.kind == Token::variable_begin || token.kind == Token::block_begin) out += '<';
        out += token.text;
        if (token.kind == Token::variable_end || token.kind == Token::block_end)
            out += '>';
        else if (token.kind != Token::data)
            out += ' ';
    }
    return out;
}

int failing_line(std::string_view source) {
    try {
        tokenize(source);
    } catch (const Failure& failure) {
        return failure.line;
    }
    return 0;
}

}  // namespace

TEST_CASE("newlines are one kind, and the one that ends a template is dropped") {
    CHECK(shown("a\r\nb\rc\n") == "a\nb\nc");
    CHECK(shown("a\n\n") == "a\n");
    CHECK(shown("") == "");
}

TEST_CASE("tags take away the white space around them as Jinja has it") {
    CHECK(shown("  {% if x %}\n y") == "< if x > y");
    CHECK(shown("a {% if x %}\n y") == "a < if x > y");
    CHECK(shown("  {{ x }}\n y") == "  < x >\n y");
    CHECK(shown("a \n {%- if x -%} \n y") == "a< if x >y");
    CHECK(shown("  {%+ if x +%}\n y") == "  < if x >\n y");
    CHECK(shown("  {# c #}\n y {#- c -#} z") == " yz");
    CHECK(shown("{% raw %}{{ x }}{% endraw %}\ny") == "{{ x }}y");
}

TEST_CASE("literals and operators") {
    CHECK(shown(R"({{ 'a\n\u00e9' "b" }})") == "< a\n\xC3\xA9 b >");
    CHECK(shown("{{ 1_000 + 0x1F // 1.5e3 }}") == "< 1000 + 0x1F // 1.5e3 >");
    CHECK(shown("{{ {'a': {}} }}") == "< { a : { } } >");
    CHECK(shown("{{ l.0 }}") == "< l . 0 >");
}

TEST_CASE("what is no template is refused with its line") {
    CHECK(failing_line("a\n{{ ? }}") == 2);
    CHECK(failing_line("{{ (1] }}") == 1);
    CHECK(failing_line("a\nb\n{{ 'open }}") == 3);
    CHECK(failing_line("{# open") == 1);
    CHECK(failing_line("\n\xFF") == 2);
    CHECK(failing_line(R"({{ '\ud83d' }})") == 1);
}
