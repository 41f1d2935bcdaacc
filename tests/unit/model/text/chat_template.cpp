// Which template a folder has.

#include "model/text/chat_template.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/api/json_writer.h"
#include "model/error.h"
#include "model/json.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string published(const char* name) {
    simdjson::dom::parser parser;
    const std::string text = read_file("tests/golden/chat.json");
    return std::string(parser.parse(text).value()["templates"][name].get_string().value());
}

std::string as_json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("chat template: a folder's files, in the order in which transformers reads them") {
    const std::string newer = published("qwen2_5"), older = published("qwen2");
    auto config = [](std::string_view value) {
        return fmt::format(R"({{"chat_template":{}}})", value);
    };
    TempDir dir;
    CHECK_FALSE(load_chat_template(dir.path()).is_usable());
    CHECK(load_chat_template(dir.path()).error == "");
    dir.write("chat_template.json", config(as_json(older)));
    CHECK(load_chat_template(dir.path()).text == older);
    dir.write("tokenizer_config.json", config("null"));
    CHECK(load_chat_template(dir.path()).text == older);
    dir.write("tokenizer_config.json", config(as_json(newer)));
    CHECK(load_chat_template(dir.path()).text == newer);
    dir.write("tokenizer_config.json", config(as_json("{{ messages")));
    CHECK_FALSE(load_chat_template(dir.path()).is_usable());
    CHECK(load_chat_template(dir.path()).error ==
          "line 1: expected '}}', found the end of the template");
    dir.write("chat_template.jinja", newer);
    CHECK(load_chat_template(dir.path()).text == newer);
    dir.write("mine.jinja", "{{ mine }}");
    const ChatTemplate mine = load_chat_template(dir.path(), dir.path() / "mine.jinja");
    CHECK(mine.text == "{{ mine }}");
    CHECK(mine.source.ends_with("mine.jinja"));
    CHECK_THROWS_AS(load_chat_template(dir.path(), dir.path() / "absent.jinja"), LoadError);
    const ChatTemplate demo = load_chat_template("tests/demo-model");
    CHECK(demo.is_usable());
    CHECK(demo.special_tokens.size() > 1);
}

TEST_CASE("chat template: of several the one named for tools, and the default") {
    const std::string newer = published("qwen2_5"), older = published("qwen2");
    auto named = [](std::string_view a, std::string_view a_text, std::string_view b,
                    std::string_view b_text) {
        return fmt::format(
            R"({{"chat_template":[{{"name":"{}","template":{}}},{{"name":"{}","template":{}}}]}})",
            a, as_json(a_text), b, as_json(b_text));
    };
    TempDir dir;
    dir.write("tokenizer_config.json", named("tool_use", newer, "default", older));
    ChatTemplate found = load_chat_template(dir.path());
    CHECK(found.text == older);
    REQUIRE(found.tool_use);
    CHECK(found.tool_use->text == newer);
    // Another name is never asked for, so it may be anything.
    dir.write("tokenizer_config.json", named("rag", "{{ documents }}", "default", newer));
    found = load_chat_template(dir.path());
    CHECK(found.text == newer);
    CHECK_FALSE(found.tool_use);
    dir.write("tokenizer_config.json", named("tool_use", "{{", "default", newer));
    CHECK(load_chat_template(dir.path()).is_usable());
    CHECK(load_chat_template(dir.path()).tool_use->error.starts_with("the template \"tool_use\""));
    dir.write("tokenizer_config.json", named("a", newer, "b", newer));
    CHECK_FALSE(load_chat_template(dir.path()).is_usable());
    CHECK(load_chat_template(dir.path()).error ==
          "there are 2 chat templates, but none is named \"default\"");
    dir.write("tokenizer_config.json", R"({"chat_template":[1]})");
    CHECK_THROWS_WITH_AS(load_chat_template(dir.path()), doctest::Contains("{name, template}"),
                         LoadError);
    // Files replace the configuration's list as a whole.
    std::filesystem::create_directory(dir.path() / "additional_chat_templates");
    dir.write("chat_template.jinja", published("qwen2_5"));
    dir.write("additional_chat_templates/tool_use.jinja", published("qwen2"));
    found = load_chat_template(dir.path());
    CHECK(found.text == newer);
    REQUIRE(found.tool_use);
    CHECK(found.tool_use->text == older);
}
