// Templates that are none, and how deep they may be. What they mean is compared with Jinja itself
// in tests/e2e/test_templates.py.

#include "model/text/jinja/template_parser.h"

#include <doctest/doctest.h>

#include <tuple>

#include "model/text/jinja/template.h"

using namespace qwend::jinja;

namespace {

std::string error_of(const std::string& source) {
    return Template::parse(source).error;
}

std::string repeated(std::string_view text, size_t times) {
    std::string out;
    for (size_t i = 0; i < times; i++) out += text;
    return out;
}

}  // namespace

TEST_CASE("an error names the line and what was expected there") {
    CHECK(error_of("a\n{% if x %}\nb") ==
          "line 3: expected 'endif', found the end of the template");
    CHECK(error_of("{{ 1 + }}") == "line 1: expected an expression, found '}}'");
    CHECK(error_of("{% nope %}") == "line 1: Encountered unknown tag 'nope'.");
    CHECK(error_of("{% include 'x' %}") == "line 1: the tag 'include' is not supported");
    CHECK(error_of("\n{{ x | nope }}") == "line 2: No filter named 'nope'.");
    CHECK(error_of("{{ x is nope }}") == "line 1: No test named 'nope'.");
    CHECK(error_of("{% break %}") == "line 1: 'break' outside loop");
    CHECK(error_of("{% set none = 1 %}") == "line 1: can't assign to 'none'");
}

TEST_CASE("a filter that does not exist may stand where an if keeps it from being reached") {
    CHECK(error_of("{% if x %}{{ x | nope }}{% endif %}") == "");
    CHECK(error_of("{{ x | nope if y else z }}") == "");
    CHECK(error_of("{% if x %}{% for y in z %}{{ y | nope }}{% endfor %}{% endif %}") != "");
}

TEST_CASE("nesting has a limit, in whatever it consists") {
    for (const auto& [open, middle, close] : {std::tuple{"(", "1", ")"},
                                              {"[", "1", "]"},
                                              {"{1:", "1", "}"},
                                              {"not ", "1", ""},
                                              {"-", "1", ""},
                                              {"1 if x else ", "1", ""},
                                              {"", "1", "[0]"},
                                              {"", "1", ".a"},
                                              {"", "1", "|abs"},
                                              {"", "1", "+1"},
                                              {"", "1", "**1"},
                                              {"", "1", " or 1"},
                                              {"f(", "1", ")"},
                                              {"", "f", "()"}}) {
        CAPTURE(open);
        CAPTURE(close);
        auto source = [&](size_t n) {
            return "{{ " + repeated(open, n) + middle + repeated(close, n) + " }}";
        };
        CHECK(error_of(source(20)) == "");
        CHECK(error_of(source(20'000)) == "line 1: more than 100 levels of nesting");
    }
    CHECK(error_of(repeated("{% if x %}", 50) + repeated("{% endif %}", 50)) == "");
    CHECK(error_of(repeated("{% if x %}", 20'000)).ends_with("levels of nesting"));
    CHECK(error_of(repeated("{% set (", 1) + repeated("(", 20'000)).ends_with("levels of nesting"));
    CHECK(error_of("{% if x %}" + repeated("{% elif x %}", 20'000) + "{% endif %}") == "");
}

TEST_CASE("a template knows which names it has") {
    const auto parsed = Template::parse("{{ messages[0].role }}{{ f(tools=1) }}");
    REQUIRE(parsed.value);
    CHECK(parsed.value->mentions("messages"));
    CHECK(parsed.value->mentions("tools"));
    CHECK_FALSE(parsed.value->mentions("developer"));
}
