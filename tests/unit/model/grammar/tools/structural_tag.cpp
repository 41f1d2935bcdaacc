#include "model/grammar/tools/structural_tag.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "model/grammar/automaton.h"

using namespace qwend::grammar;

namespace {

const std::string kToken =
    "\xFF"
    "7"
    "\xFE";

struct Texts {
    Automaton automaton;

    explicit Texts(std::string_view json)
        : automaton(compile_structural_tag(json, {}, {{"<call>", kToken}, {"<c", ""}}), {}) {}
    bool take(std::string_view text) {
        return automaton.accepts(automaton.after(automaton.start(), text));
    }
    bool begin(std::string_view text) {
        return automaton.after(automaton.start(), text) != Automaton::kDead;
    }
};

Texts of_format(const std::string& format) {
    return Texts(R"({"type":"structural_tag","format":)" + format + "}");
}

std::string error_of(const std::string& json) {
    try {
        Texts texts(json);
    } catch (const GrammarError& error) {
        return error.what();
    }
    return "";
}

std::string error_of_format(const std::string& format) {
    return error_of(R"({"format":)" + format + "}");
}

const std::string kNumber =
    R"({"type":"json_schema","json_schema":{"type":"integer","minimum":1,"maximum":9}})";

std::string tag(const std::string& begin, const std::string& content, const std::string& end) {
    return fmt::format(R"({{"type":"tag","begin":"{}","content":{},"end":"{}"}})", begin, content,
                       end);
}

}  // namespace

TEST_CASE("structural_tag: formats that hold no other") {
    CHECK(of_format(R"({"type":"const_string","value":"a\nb"})").take("a\nb"));
    CHECK_FALSE(of_format(R"({"type":"const_string","value":"ab"})").take("a"));
    CHECK(of_format(R"({"type":"const_string","value":""})").take(""));
    Texts number = of_format(kNumber);
    CHECK(number.take("7"));
    CHECK_FALSE(number.begin("0"));
    Texts regex = of_format(R"({"type":"regex","pattern":"[ab]{2}"})");
    CHECK(regex.take("ab"));
    CHECK_FALSE(regex.take("abb"));
    Texts nested = of_format(R"({"type":"grammar","grammar":"root ::= \"(\" root \")\" | \"x\""})");
    CHECK(nested.take("((x))"));
    CHECK_FALSE(nested.take("((x)"));
    Texts any = of_format(R"({"type":"any_text","excludes":["no"]})");
    CHECK(any.take("nnn on 漢"));
    CHECK_FALSE(any.begin("nno"));
    CHECK_FALSE(any.begin(kToken));
}

TEST_CASE("structural_tag: formats of formats") {
    const std::string a = R"({"type":"const_string","value":"a"})",
                      b = R"({"type":"const_string","value":"b"})";
    const std::string grammar = R"({"type":"grammar","grammar":"root ::= \"[\" root? \"]\""})";
    Texts sequence = of_format(
        fmt::format(R"({{"type":"sequence","elements":[{},{},{},{}]}})", a, grammar, grammar, b));
    CHECK(sequence.take("a[[]][]b"));
    CHECK_FALSE(sequence.begin("a[[]]b"));
    Texts either = of_format(fmt::format(R"({{"type":"or","elements":[{},{}]}})", a, grammar));
    CHECK(either.take("a"));
    CHECK(either.take("[]"));
    CHECK_FALSE(either.begin("b"));
    struct Case {
        std::string type, bounds;
        int min, max;
    };
    for (const Case& c : std::vector<Case>{{"optional", "", 0, 1},
                                           {"star", "", 0, 99},
                                           {"plus", "", 1, 99},
                                           {"repeat", R"(,"min":2,"max":3)", 2, 3},
                                           {"repeat", R"(,"min":2,"max":-1)", 2, 99},
                                           {"repeat", R"(,"max":0)", 0, 0}}) {
        CAPTURE(c.type + c.bounds);
        Texts texts =
            of_format(fmt::format(R"({{"type":"{}","content":{}{}}})", c.type, a, c.bounds));
        for (int n = 0; n < 6; n++)
            CHECK(texts.take(std::string(size_t(n), 'a')) == (n >= c.min && n <= c.max));
    }
}

TEST_CASE("structural_tag: a tag's text ends where the tag does") {
    Texts texts = of_format(tag("<b>", R"({"type":"any_text"})", "</b>"));
    CHECK(texts.take("<b>bold</b>"));
    CHECK_FALSE(texts.begin("<b></b></b>"));
    CHECK(texts.begin("<b>bold"));
    CHECK_FALSE(texts.take("<b>bold"));
}

TEST_CASE("structural_tag: tags that text may lead to") {
    const std::string tags =
        "[" + tag("<f=one>", kNumber, "</f>") + "," + tag("<f=two>", kNumber, "</f>") + "]";
    auto triggered = [&](const std::string& more) {
        return of_format(R"({"type":"triggered_tags","triggers":["<f="],"tags":)" + tags + more +
                         "}");
    };
    Texts free = triggered("");
    CHECK(free.take(""));
    CHECK(free.take("say <f"));
    CHECK(free.take("say <f=one>3</f>, then <f=two>4</f>."));
    CHECK_FALSE(free.begin("say <f=three"));
    CHECK_FALSE(free.begin("<f=one>0"));
    CHECK_FALSE(free.take("<f=one>3"));
    Texts one = triggered(R"(,"at_least_one":true)");
    CHECK_FALSE(one.take(""));
    CHECK_FALSE(one.begin("say"));
    CHECK(one.take("<f=one>3</f> and <f=two>4</f>."));
    Texts first = triggered(R"(,"stop_after_first":true)");
    CHECK(first.take("say <f=one>3</f>"));
    CHECK_FALSE(first.begin("say <f=one>3</f>."));
    Texts only = triggered(R"(,"stop_after_first":true,"at_least_one":true,"excludes":[])");
    CHECK(only.take("<f=two>3</f>"));
    CHECK_FALSE(only.begin("<f=two>3</f>."));
    CHECK_FALSE(triggered(R"(,"excludes":["bad"])").begin("a bad"));
}

TEST_CASE("structural_tag: tags one after the other") {
    const std::string tags =
        "[" + tag("<a>", kNumber, "</a>") + "," + tag("<b>", kNumber, "</b>") + "]";
    auto separated = [&](const std::string& separator, const std::string& more) {
        return of_format(
            fmt::format(R"({{"type":"tags_with_separator","separator":"{}","tags":{}{}}})",
                        separator, tags, more));
    };
    CHECK(separated(", ", "").take(""));
    CHECK(separated(", ", "").take("<a>1</a>, <b>2</b>, <a>3</a>"));
    CHECK_FALSE(separated(", ", "").begin("<a>1</a><b>"));
    CHECK(separated("", "").take("<a>1</a><b>2</b>"));
    CHECK_FALSE(separated(", ", R"(,"at_least_one":true)").take(""));
    CHECK_FALSE(separated(", ", R"(,"stop_after_first":true)").begin("<a>1</a>,"));
}

TEST_CASE("structural_tag: the older form") {
    Texts texts(R"({"type":"structural_tag","triggers":["<f="],"structures":[
        {"begin":"<f=one>","schema":{"type":"boolean"},"end":"</f>"}]})");
    CHECK(texts.take("Well: <f=one>true</f>."));
    CHECK_FALSE(texts.begin("<f=one>1"));
}

TEST_CASE("structural_tag: what spells a token of the model's may be that token") {
    Texts texts = of_format(tag("x<call>", kNumber, "<call>"));
    for (const std::string& begin : {std::string("<call>"), kToken})
        for (const std::string& end : {std::string("<call>"), kToken})
            CHECK(texts.take("x" + begin + "5" + end));
}

TEST_CASE("structural_tag: what is not served names its place") {
    CHECK(error_of("{").starts_with("expected JSON"));
    CHECK(error_of("[]") == "expected an object");
    CHECK(error_of("{}").starts_with("expected \"format\""));
    CHECK(error_of(R"({"structures":[],"triggers":["a"]})") ==
          "structures: expected at least one element");
    CHECK(error_of(R"({"structures":[{"begin":"b","schema":{},"end":""}],"triggers":["a"]})")
              .find("\"b\" to begin with one of the triggers") != std::string::npos);
    CHECK(error_of(R"({"format":{"type":"const_string","value":"a"},"other":1})") ==
          "\"other\" is not supported");
    CHECK(error_of_format("1") == "format: expected an object with a type");
    CHECK(error_of_format(R"({"type":"dispatch"})") ==
          "format.type: \"dispatch\" is not supported");
    CHECK(error_of_format(R"({"type":"const_string"})") == "format: expected \"value\"");
    CHECK(error_of_format(R"({"type":"const_string","value":1})") ==
          "format.value: expected a string");
    CHECK(error_of_format(R"({"type":"const_string","value":"a","max":1})") ==
          "format: \"max\" is not supported");
    CHECK(error_of_format(R"({"type":"sequence","elements":[{"type":"regex","pattern":"("}]})")
              .starts_with("format.elements[0].pattern: "));
    CHECK(error_of_format(R"({"type":"json_schema","json_schema":{"type":"thing"}})")
              .starts_with("format.json_schema: "));
    CHECK(error_of_format(R"({"type":"json_schema","style":"qwen_xml","json_schema":{}})")
              .starts_with("format.style: "));
    CHECK(error_of_format(R"({"type":"repeat","min":3,"max":2,"content":{"type":"any_text"}})")
              .starts_with("format: expected \"min\""));
    CHECK(error_of_format(R"({"type":"repeat","min":1e9,"content":{"type":"any_text"}})")
              .starts_with("format.min: "));
    std::string deep = R"({"type":"any_text"})";
    for (int i = 0; i < 100; i++) deep = R"({"type":"star","content":)" + deep + "}";
    CHECK(error_of_format(deep).find("expected at most 64 levels") != std::string::npos);
}
