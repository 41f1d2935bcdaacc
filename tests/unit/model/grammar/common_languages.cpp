#include "model/grammar/common_languages.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "model/grammar/automaton.h"
#include "model/grammar/formats.h"
#include "model/grammar/regular.h"
#include "model/grammar/schema/schema.h"
#include "model/grammar/spelling.h"

using namespace qwend::grammar;

namespace {

/// The slow twin, with nothing in common.
Grammar compiled_alone(const std::string& schema, const SchemaOptions& options) {
    Grammar grammar;
    grammar.languages = Languages();
    grammar.languages.allow_work(options.max_work);
    grammar.root = add_schema(grammar, schema, options);
    grammar.finish();
    return grammar;
}

std::vector<uint8_t> next_bytes(Automaton& automaton, StateId state) {
    std::vector<uint8_t> out;
    for (int byte = 0; byte < 256; byte++)
        if (automaton.after(state, uint8_t(byte)) != Automaton::kDead) out.push_back(uint8_t(byte));
    return out;
}

std::vector<std::string> schemas() {
    std::vector<std::string> out{
        R"({"type":"string"})",
        R"({"type":"string","minLength":2,"maxLength":9})",
        R"({"type":["integer","null","boolean"]})",
        R"({"type":"number"})",
        R"({"type":"integer","minimum":-3,"maximum":120})",
        R"({"enum":["a","b\n",3,null]})",
        R"({"type":"string","pattern":"^[A-Z]{2,5}-\\d+$"})",
        R"({"type":"string","pattern":"a|\\n"})",
        R"({"type":"string","pattern":"^(?!no)\\w+$"})",
        R"({"type":"string","pattern":"^[^\\s@]+@.+$","maxLength":30})",
        R"({"type":"string","format":"email","maxLength":40})",
        R"({"type":"string","format":"date","not":{"const":"2024-02-29"}})",
        R"({"type":"object","properties":{"name":{"type":"string"},"n":{"type":"integer"}},
            "required":["n"],"additionalProperties":{"type":"array","items":{"type":"boolean"}}})",
        R"({"type":"object","propertyNames":{"pattern":"^x"},"patternProperties":
            {"1$":{"type":"null"}}})",
    };
    for (const std::string_view format : format_names())
        out.push_back(R"({"type":"string","format":")" + std::string(format) + "\"}");
    return out;
}

}  // namespace

TEST_CASE("common_languages: a schema allows the same bytes with and without them") {
    std::mt19937 random(std::random_device{}());
    // No text has this byte: what is left out with it is nothing, but has to be looked at.
    const SchemaOptions plain, without{.not_in_strings = "\xFF"};
    for (const std::string& schema : schemas()) {
        CAPTURE(schema);
        Automaton common(compile_schema(schema, plain), {}),
            twin(compiled_alone(schema, plain), {}), careful(compiled_alone(schema, without), {});
        for (int round = 0; round < 6; round++) {
            StateId at = common.start(), twin_at = twin.start(), careful_at = careful.start();
            std::string text;
            for (int i = 0; i < 60; i++) {
                CAPTURE(text);
                const std::vector<uint8_t> next = next_bytes(common, at);
                REQUIRE(next == next_bytes(twin, twin_at));
                REQUIRE(next == next_bytes(careful, careful_at));
                REQUIRE(common.accepts(at) == twin.accepts(twin_at));
                REQUIRE(common.accepts(at) == careful.accepts(careful_at));
                if (next.empty()) break;
                const uint8_t byte = next[random() % next.size()];
                at = common.after(at, byte), twin_at = twin.after(twin_at, byte);
                careful_at = careful.after(careful_at, byte);
                text += char(byte);
            }
        }
    }
}

TEST_CASE("common_languages: formats are found that are there, and made where they are not") {
    Languages alone, common(&common_languages());
    for (const std::string_view format : format_names()) {
        CAPTURE(format);
        const auto known = format_body(common, format), made = format_body(alone, format);
        REQUIRE(known);
        REQUIRE(made);
        CHECK(*known == full_match(common, *format_syntax(format), json_char));
        CHECK(*made == full_match(alone, *format_syntax(format), json_char));
        CHECK_FALSE(common.is_empty(*known));
    }
    CHECK(common.size() == 0);
    CHECK_FALSE(format_body(common, "no such format"));
    CHECK_FALSE(format_body(alone, "no such format"));
}
