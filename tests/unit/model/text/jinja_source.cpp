#include "model/text/jinja_source.h"

#include <doctest/doctest.h>

using namespace qwend;

TEST_CASE("jinja source: literals are decoded, code is spaced alike, text stays") {
    auto show = [](std::string_view source) {
        std::string out;
        for (const JinjaPiece& piece : split_jinja_source(source))
            out += piece.is_literal ? "[" + piece.text + "]" : piece.text;
        return out;
    };
    CHECK(show("it's \"text\"\r\n") == "it's \"text\"\n");
    CHECK(show("{{- 'a\\'b' + \"c\" -}}  x") == "{{-[a'b] + [c]-}}  x");
    CHECK(show("{%  if   a  ==\n'b' %} y") == "{%if a == [b]%} y");
    CHECK(show("{{ {'k': {'v': 1}}}} 'text'") == "{{{[k]: {[v]: 1}}}} 'text'");
    CHECK(show("{{ '}}' }}") == "{{[}}]}}");
    CHECK(show("{# 'remark' #}'text'") == "{# 'remark' #}'text'");
    CHECK(show("{{ '\\x4' '\\u00e9' '\\8' '\\") == "{{[\\x4] [\u00e9] [\\8] [\\]");
}
