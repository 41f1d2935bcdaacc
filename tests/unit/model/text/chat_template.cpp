// Which template a folder has, and what its literals say.

#include "model/text/chat_template.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "daemon/api/json_writer.h"
#include "model/error.h"
#include "model/json.h"
#include "model/text/jinja_source.h"
#include "tests/unit/temp_dir.h"

using namespace qwend;

namespace {

std::string published(const char* name) {
    simdjson::dom::parser parser;
    const std::string text = read_file("tests/golden/chat.json");
    return std::string(parser.parse(text).value()["templates"][name].get_string().value());
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

constexpr std::string_view kSystem =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";

std::string as_json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("chat template: the default system prompt is what its literal says") {
    // As Jinja's source spells it, and what Jinja makes of it.
    const std::pair<std::string_view, std::string_view> spelled[] = {
        {R"(Reason step by step.)", "Reason step by step."},
        {R"(put your final answer within \\boxed{}.)", "put your final answer within \\boxed{}."},
        {R"(a\tb\n\'c\' \"d\")", "a\tb\n'c' \"d\""},
        {R"(\\nabla \\\\ \q)", "\\nabla \\\\ \\q"},
        {R"(\x41\u4f60\U0001f600\101\xe9)", "A\u4f60\U0001f600A\u00e9"},
        {"two\nlines", "two\nlines"},
        {"one \\\nline", "one line"},
        {R"({{ 1 }} {% x %})", "{{ 1 }} {% x %}"},
        {"", ""},
    };
    for (auto [source, meaning] : spelled) {
        CAPTURE(source);
        const ChatTemplate found =
            recognize_chat_template(replace_all(published("qwen2_5"), kSystem, source));
        CHECK(found.kind == ChatTemplate::qwen2_5);
        CHECK(found.default_system == meaning);
        const ChatTemplate older = recognize_chat_template(
            replace_all(published("qwen2"), "You are a helpful assistant.", source));
        CHECK(older.kind == ChatTemplate::qwen2);
        CHECK(older.default_system == meaning);
    }
}

TEST_CASE("chat template: copies that mean the same are the same, others are none") {
    const std::string text = published("qwen2_5");
    for (const std::string& copy :
         {replace_all(text, "\\n", "\n"), replace_all(text, "\n", "\r\n"), text + "\n\n",
          replace_all(text, "{%- if", "{%-  if"), replace_all(text, " }}", "}}"),
          replace_all(text, "\"tool\"", "'tool'"), replace_all(text, "\\n", "\\x0a")})
        CHECK(recognize_chat_template(copy).kind == ChatTemplate::qwen2_5);
    for (const std::string& other :
         {text + "{{ 1 }}", replace_all(text, "# Tools", "# tools"), text + "{# a remark #}",
          replace_all(text, "not loop.first", "notloop.first"), replace_all(text, "\\n", "\\\\n"),
          replace_all(text, "'\\n' + message.content", "'\\n\\' + message.content"),
          std::string("{{ '"), std::string("{{"), std::string("{%"), std::string()})
        CHECK(recognize_chat_template(other).kind == ChatTemplate::none);
}

TEST_CASE("chat template: a folder's files, in the order in which transformers reads them") {
    const std::string newer = published("qwen2_5"), older = published("qwen2");
    auto config = [](std::string_view value) {
        return fmt::format(R"({{"chat_template":{}}})", value);
    };
    TempDir dir;
    CHECK(load_chat_template(dir.path()).kind == ChatTemplate::none);
    dir.write("chat_template.json", config(as_json(older)));
    CHECK(load_chat_template(dir.path()).kind == ChatTemplate::qwen2);
    dir.write("tokenizer_config.json", config("null"));
    CHECK(load_chat_template(dir.path()).kind == ChatTemplate::qwen2);
    dir.write("tokenizer_config.json", config(as_json(newer)));
    CHECK(load_chat_template(dir.path()).kind == ChatTemplate::qwen2_5);
    dir.write("tokenizer_config.json", config(as_json("{{ messages }}")));
    CHECK_THROWS_WITH_AS(load_chat_template(dir.path()), doctest::Contains("found another"),
                         LoadError);
    dir.write("chat_template.jinja", newer);
    CHECK(load_chat_template(dir.path()).kind == ChatTemplate::qwen2_5);
    CHECK(load_chat_template("tests/demo-model").kind == ChatTemplate::qwen2_5);
}

TEST_CASE("chat template: of several the one named for tools, and the default") {
    const std::string newer = as_json(published("qwen2_5")), older = as_json(published("qwen2"));
    auto named = [](std::string_view a, std::string_view a_text, std::string_view b,
                    std::string_view b_text) {
        return fmt::format(
            R"({{"chat_template":[{{"name":"{}","template":{}}},{{"name":"{}","template":{}}}]}})",
            a, a_text, b, b_text);
    };
    TempDir dir;
    dir.write("tokenizer_config.json", named("tool_use", newer, "default", older));
    ChatTemplate found = load_chat_template(dir.path());
    CHECK(found.kind == ChatTemplate::qwen2);
    REQUIRE(found.tool_use);
    CHECK(found.tool_use->kind == ChatTemplate::qwen2_5);
    // Another name is never asked for, so it may be anything.
    dir.write("tokenizer_config.json", named("rag", "\"{{ documents }}\"", "default", newer));
    found = load_chat_template(dir.path());
    CHECK(found.kind == ChatTemplate::qwen2_5);
    CHECK_FALSE(found.tool_use);
    dir.write("tokenizer_config.json", named("tool_use", "\"{{ 1 }}\"", "default", newer));
    CHECK_THROWS_WITH_AS(load_chat_template(dir.path()), doctest::Contains("\"tool_use\""),
                         LoadError);
    dir.write("tokenizer_config.json", named("a", newer, "b", newer));
    CHECK_THROWS_WITH_AS(load_chat_template(dir.path()), doctest::Contains("\"default\""),
                         LoadError);
    dir.write("tokenizer_config.json", R"({"chat_template":[1]})");
    CHECK_THROWS_WITH_AS(load_chat_template(dir.path()), doctest::Contains("{name, template}"),
                         LoadError);
    // Files replace the configuration's list as a whole.
    std::filesystem::create_directory(dir.path() / "additional_chat_templates");
    dir.write("chat_template.jinja", published("qwen2_5"));
    dir.write("additional_chat_templates/tool_use.jinja", published("qwen2"));
    found = load_chat_template(dir.path());
    CHECK(found.kind == ChatTemplate::qwen2_5);
    REQUIRE(found.tool_use);
    CHECK(found.tool_use->kind == ChatTemplate::qwen2);
}
