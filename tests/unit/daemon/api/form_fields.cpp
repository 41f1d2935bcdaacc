// The form of an answer, under the names of OpenAI, vLLM, SGLang, llama.cpp and Ollama.

#include "daemon/api/form_fields.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/daemon/api/openai/one_model.h"

using namespace qwend;

namespace {

/// Of a chat with these members: "kind text", with what else is said of it, or "none"; of an error
/// its parameter and message.
std::string form_of(const std::string& members) {
    OpenAiRequest q;
    const auto error = parse_chat_request(
        R"({"messages":[{"role":"user","content":"x"}],)" + members + "}", {}, {8, 1000}, q);
    if (error) return error->param + "! " + error->message;
    if (q.n_unknown_fields) return "unknown";
    if (!q.generation.form) return "none";
    const OutputForm& form = *q.generation.form;
    constexpr const char* kKinds[] = {"text",   "schema",  "object", "regex",
                                      "choice", "grammar", "tags"};
    constexpr const char* kSpaces[] = {"", " flexible", " none"};
    return fmt::format("{} {}{} ({})", kKinds[int(form.kind)], form.text, kSpaces[int(form.space)],
                       form.field);
}

void check_forms(const std::vector<std::pair<std::string, std::string>>& rows) {
    for (const auto& [members, form] : rows) {
        CAPTURE(members);
        CHECK(form_of(members) == form);
    }
}

}  // namespace

TEST_CASE("form_fields: each name") {
    check_forms({
        {R"("response_format":{"type":"text"})", "none"},
        {R"("response_format":{"type":"json_object"})", "object  flexible (response_format)"},
        {R"("response_format":{"type":"json_object","schema":null})",
         "object  flexible (response_format)"},
        {R"("response_format":{"type":"json_object","schema":{"a":1}})",
         R"(schema {"a":1} (response_format))"},
        {R"("response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,)"
         R"("schema":{"type":"null"}}})",
         R"(schema {"type":"null"} (response_format))"},
        {R"("response_format":{"type":"json_schema","schema":true})",
         "schema true (response_format)"},
        {R"("structured_outputs":{"json":{}})", "schema {} (structured_outputs.json)"},
        {R"("structured_outputs":{"json":"{\"a\":1}","regex":null})",
         R"(schema {"a":1} (structured_outputs.json))"},
        {R"("structured_outputs":{"regex":"a+"})", "regex a+ (structured_outputs.regex)"},
        {R"("structured_outputs":{"choice":["a","b"]})",
         R"(choice ["a","b"] (structured_outputs.choice))"},
        {R"("structured_outputs":{"grammar":"root ::= x"})",
         "grammar root ::= x (structured_outputs.grammar)"},
        {R"("structured_outputs":{"structural_tag":"{}"})",
         "tags {} (structured_outputs.structural_tag)"},
        {R"("structural_tag":"{}")", "tags {} (structural_tag)"},
        {R"("response_format":{"type":"structural_tag","format":{}})",
         R"(tags {"type":"structural_tag","format":{}} (response_format))"},
        {R"("structured_outputs":{"json_object":true})",
         "object  flexible (structured_outputs.json_object)"},
        {R"("structured_outputs":{"json_object":false})", "none"},
        {R"("guided_json":{"type":"object"})", R"(schema {"type":"object"} (guided_json))"},
        {R"("guided_json":"{}")", "schema {} (guided_json)"},
        {R"("guided_regex":"a")", "regex a (guided_regex)"},
        {R"("guided_choice":["a"])", R"(choice ["a"] (guided_choice))"},
        {R"("guided_grammar":"g")", "grammar g (guided_grammar)"},
        {R"("json_schema":"{}")", "schema {} (json_schema)"},
        {R"("json_schema":{})", "schema {} (json_schema)"},
        {R"("regex":"a")", "regex a (regex)"},
        {R"("ebnf":"g")", "grammar g (ebnf)"},
        {R"("grammar":"g")", "grammar g (grammar)"},
    });
}

TEST_CASE("form_fields: what asks for nothing") {
    for (const char* name : {"guided_json", "guided_regex", "guided_choice", "guided_grammar",
                             "guided_whitespace_pattern", "json_schema", "regex", "ebnf", "grammar",
                             "structural_tag", "response_format", "structured_outputs"})
        for (const char* value : {"null", "\"\"", "[]"}) {
            CAPTURE(name);
            CAPTURE(value);
            const bool is_list = std::string_view(value) == "[]";
            if (is_list && std::string_view(name) == "guided_whitespace_pattern") continue;
            if (value[0] != 'n' && std::string_view(name) == "structured_outputs") continue;
            CHECK(form_of(fmt::format("\"{}\":{}", name, value)) == "none");
        }
    check_forms({
        {R"("structured_outputs":{"disable_any_whitespace":true,"whitespace_pattern":" ?"})",
         "none"},
        {R"("structured_outputs":{"backend":"xgrammar"})", "none"},
    });
}

TEST_CASE("form_fields: what is wrong is named by its path") {
    check_forms({
        {R"("response_format":{"type":"xml"})",
         "response_format.type! response_format.type: not supported by this server; only text, "
         "json_object, json_schema and structural_tag"},
        {R"("response_format":{})",
         "response_format! response_format: expected an object with a type, found {}"},
        {R"("response_format":{"type":"json_schema","json_schema":{"name":"n"}})",
         "response_format! response_format: json_schema needs a schema"},
        {R"("response_format":{"type":"json_schema","json_schema":{"schema":5}})",
         "response_format.json_schema.schema! response_format.json_schema.schema: expected a JSON "
         "Schema, found 5"},
        {R"("structured_outputs":5)",
         "structured_outputs! structured_outputs: expected an object, found 5"},
        {R"("structured_outputs":{"regex":5})",
         "structured_outputs.regex! structured_outputs.regex: expected a string, found 5"},
        {R"("structured_outputs":{"regex":""})",
         "structured_outputs.regex! structured_outputs.regex: expected a string that is not empty, "
         "found \"\""},
        {R"("structured_outputs":{"choice":[]})",
         "structured_outputs.choice! structured_outputs.choice: expected a list of strings, found "
         "[]"},
        {R"("structured_outputs":{"structural_tag":5})",
         "structured_outputs.structural_tag! structured_outputs.structural_tag: expected an "
         "object, "
         "or one as a string, found 5"},
        {R"("structured_outputs":{"structural_tag":""})",
         "structured_outputs.structural_tag! structured_outputs.structural_tag: expected a string "
         "that is not empty, found \"\""},
        {R"("guided_choice":["a",5])",
         "guided_choice[1]! guided_choice[1]: expected at most 100000 strings, found 5"},
        {R"("guided_json":[1])", "guided_json! guided_json: expected a JSON Schema, found [1]"},
        {R"("guided_whitespace_pattern":5)",
         "guided_whitespace_pattern! guided_whitespace_pattern: expected a string, found 5"},
    });
    CHECK(form_of(R"("regex":")" + std::string(1 << 21, 'a') + '"') ==
          "regex! regex: expected at most 1048576 bytes");
}

TEST_CASE("form_fields: an answer has one form") {
    const std::vector<std::string> forms = {
        R"("response_format":{"type":"json_object"})",
        R"("structured_outputs":{"regex":"a"})",
        R"("guided_json":{})",
        R"("guided_choice":["a"])",
        R"("ebnf":"g")",
    };
    for (const std::string& first : forms)
        for (const std::string& second : forms) {
            if (first == second) continue;
            const std::string said = form_of(first + "," + second);
            CHECK_MESSAGE(said.find(", an answer has one form") != said.npos, said);
        }
    CHECK(form_of(R"("structured_outputs":{"json":{},"regex":"a"})") ==
          "structured_outputs.regex! structured_outputs.regex: not together with "
          "structured_outputs.json, an answer has one form");
    CHECK(form_of(R"("response_format":{"type":"text"},"regex":"a")") == "regex a (regex)");
}

TEST_CASE("form_fields: any JSON at SGLang") {
    check_forms({{R"("json_schema":"$$ANY$$")",
                  R"(schema {"type":["object","array"]} flexible (json_schema))"}});
}

TEST_CASE("form_fields: the layout holds for the form, wherever each is said") {
    auto layout_of = [](const std::string& members) {
        OpenAiRequest q;
        REQUIRE_FALSE(parse_chat_request(
            R"({"messages":[{"role":"user","content":"x"}],)" + members + "}", {}, {8, 1000}, q));
        const OutputForm& form = *q.generation.form;
        return (form.space == OutputForm::Space::none ? "none|" : "|") + form.space_pattern;
    };
    const std::string json = R"("response_format":{"type":"json_object"})";
    CHECK(layout_of(json) == "|");
    CHECK(layout_of(json + R"(,"guided_whitespace_pattern":" ?")") == "| ?");
    CHECK(layout_of(R"("guided_whitespace_pattern":" ?","guided_json":{})") == "| ?");
    CHECK(layout_of(R"("structured_outputs":{"whitespace_pattern":"\\s","json":{}})") == "|\\s");
    CHECK(layout_of(R"("structured_outputs":{"disable_any_whitespace":true},)" + json) == "none|");
    CHECK(layout_of(R"("structured_outputs":{"json":{},"disable_any_whitespace":true})") ==
          "none|");
    CHECK(layout_of(R"("structured_outputs":{"regex":"a","disable_any_whitespace":true})") == "|");
}
