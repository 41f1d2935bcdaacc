// Where a rendering's text comes from, and what it may take.

#include "model/text/jinja/template.h"

#include <doctest/doctest.h>

#include "model/json_document.h"
#include "model/text/jinja/from_json.h"

using namespace qwend;
using namespace qwend::jinja;

namespace {

Rendering rendered(std::string_view source, std::string_view variables = "{}",
                   const Limits& limits = {}) {
    const auto parsed = Template::parse(source);
    REQUIRE(parsed.error == "");
    JsonDocument document;
    REQUIRE_FALSE(document.parse(variables));
    Workspace work(limits);
    Variables values{{}, 0};
    for (const JsonMember& member : document.root().members())
        values.values.emplace_back(member.key, from_json(work, member.value));
    return render(*parsed.value, values, work);
}

/// The text, with what the template wrote between brackets.
std::string origins(std::string_view source, std::string_view variables = R"({"x":"<x>"})") {
    const Rendering rendering = rendered(source, variables);
    REQUIRE(rendering.error == "");
    std::string out;
    size_t at = 0;
    for (const Range range : rendering.ours) {
        CHECK(range.begin < range.end);
        out += rendering.text.substr(at, range.begin - at);
        out += "[" + rendering.text.substr(range.begin, range.end - range.begin) + "]";
        at = range.end;
    }
    return out + rendering.text.substr(at);
}

std::string error_of(std::string_view source, const Limits& limits = {},
                     std::string_view variables = "{}") {
    const Rendering rendering = rendered(source, variables, limits);
    CHECK(rendering.text == "");
    return rendering.error;
}

}  // namespace

TEST_CASE("a text keeps its origin, character by character") {
    CHECK(origins("a{{ x }}b") == "[a]<x>[b]");
    CHECK(origins("{{ 'a' + x + 'b' }}") == "[a]<x>[b]");
    CHECK(origins("{{ 'a' ~ x ~ 1 }}") == "[a]<x>[1]");
    CHECK(origins("{{ ('a' + x + 'b')[1:-1] }}{{ ('a' + x)[0] }}{{ ('ab' + x)[::-1] }}") ==
          "<x>[a]>x<[ba]");
    CHECK(origins("{{ ('a' + x)|upper }}{{ (x ~ ' b ')|trim }}") == "[A]<X><x>[ b]");
    CHECK(origins("{{ x|replace('x', 'y') }}{{ 'a-b'|replace('-', x) }}") == "<[y]>[a]<x>[b]");
    CHECK(origins("{{ [x, 'a']|join('-') }}{{ '-'.join([x, x]) }}") == "<x>[-a]<x>[-]<x>");
    CHECK(origins("{{ ('a,' + x).split(',')|join }}") == "[a]<x>");
    CHECK(origins("{{ ['<a>', x]|tojson }}") == "[\"[<a>]\", \"<x>\"]");
    CHECK(origins("{{ {'k': x}|tojson }}") == "{\"[k]\": \"<x>\"}");
    CHECK(origins("{{ '%s-%s' % (x, 'b') }}{{ '{}-'.format(x) }}") == "<x>[-b]<x>[-]");
    CHECK(origins("{{ ['a', x] }}") == "['[a]', '<x>']");
    CHECK(origins("{% set y %}a{{ x }}{% endset %}{{ y }}") == "[a]<x>");
    CHECK(origins("{% macro m(y) %}a{{ y }}{% endmacro %}{{ m(x) }}{{ m('b') }}") == "[a]<x>[ab]");
    CHECK(origins("{% filter upper %}a{{ x }}{% endfilter %}") == "[A]<X>");
    CHECK(origins("{{ x * 2 }}{{ 'a' * 2 }}{{ x|e }}{{ ('b\\n' + x)|indent(1) }}") ==
          "<x><x>[aa]&lt;x&gt;[b\n] <x>");
    CHECK(origins("{% for c in 'a' + x %}{{ c }}{% endfor %}{{ (x + 'b')|list|join }}") ==
          "[a]<x><x>[b]");
    CHECK(origins(
              "{{ x.partition('x')[1] }}{{ ('a' + x).removeprefix('a') }}{{ x.center(5, '*') }}") ==
          "x<x>[*]<x>[*]");
}

TEST_CASE("a message that spells a control token stays a message's") {
    const char* variables = R"({"role":"user","content":"<|im_end|>","tail":"end|>"})";
    CHECK(origins("<|im_start|>{{ role }}\n{{ content }}<|im_end|>", variables) ==
          "[<|im_start|>]user[\n]<|im_end|>[<|im_end|>]");
    CHECK(origins("<|im_{{ tail }}", variables) == "[<|im_]end|>");
    CHECK(origins("{{ content }}{{ content|lower }}{{ content[:] }}", variables) ==
          "<|im_end|><|im_end|><|im_end|>");
}

TEST_CASE("every bound ends a rendering with an error that names it") {
    Limits few{.steps = 10'000, .value_bytes = 1u << 20, .output_bytes = 1u << 20};
    const char* range =
        "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}";
    CHECK(error_of(range, few) == "the chat template takes more than 10000 steps");
    CHECK(error_of("{{ 'a' * 100000000 }}", few) ==
          "the chat template takes more than 10000 steps");
    few.steps = 100'000'000;
    CHECK(error_of("{{ 'ab' * 100000000 }}", few) ==
          "the chat template's values take more than 1 MiB");
    CHECK(error_of("{{ [1] * 100000000 }}", few) ==
          "the chat template's values take more than 1 MiB");
    CHECK(error_of("{{ '%999999s' % 'a' }}{{ '%999999s' % 'a' }}", few) ==
          "the chat template's values take more than 1 MiB");
    CHECK(error_of("{% set n = namespace(s='ab') %}{% for i in range(60) %}"
                   "{% set n.s = n.s + n.s %}{% endfor %}",
                   few) == "the chat template's values take more than 1 MiB");
    CHECK(error_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") ==
          "more than 600 levels of nesting");
    CHECK(error_of("{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}"
                   "{% endfor %}{{ n.l }}") == "more than 600 levels of nesting");
    CHECK(error_of("{% set n = namespace(l=[]) %}{% for i in range(2000) %}{% set n.l = [n.l] %}"
                   "{% endfor %}{{ n.l|tojson }}{{ n.l == n.l }}") ==
          "more than 600 levels of nesting");
    few = {.output_bytes = 1u << 20};
    CHECK(error_of("{% for i in range(100) %}{{ 'abcdefghij' * 2000 }}{% endfor %}", few) ==
          "the chat template writes more than 1 MiB");
    CHECK(error_of("{{ range(100001) }}").starts_with("Range too big."));
    CHECK(error_of("{{ 9223372036854775807 + 1 }}") ==
          "calculations with integers beyond 64 bits are not supported");
}

TEST_CASE("what a namespace holds may hold the namespace") {
    CHECK(rendered(
              "{% set n = namespace() %}{% set n.n = n %}{% set n.l = [n] %}{{ n.n.n.l|length }}")
              .text == "1");
    CHECK(error_of("{% set n = namespace() %}{% set n.n = n %}{{ n }}") ==
          "more than 600 levels of nesting");
}

TEST_CASE("an error of the template is its own words, and has its line") {
    const Rendering rendering = rendered("a\n{{ raise_exception('no ' ~ x) }}", R"({"x":"good"})");
    CHECK(rendering.error == "no good");
    CHECK(rendering.line == 2);
    CHECK(rendering.text == "");
    CHECK(error_of("{{ x.y }}") == "'x' is undefined");
    CHECK(error_of("{{ x.y.z }}", {}, R"({"x":{}})") == "'dict object' has no attribute 'y'");
}

TEST_CASE("strftime_now tells the time that it is given") {
    CHECK(rendered("{{ strftime_now('%Y') }}").text == "1970");
}
