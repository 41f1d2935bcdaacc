#include "daemon/api/vector_inputs.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/daemon/api/demo_text.h"

using namespace qwend;

namespace {

std::vector<int32_t> ids(const VectorInput& input) {
    const auto tokens = input.tokens.tokens();
    return {tokens.begin(), tokens.end()};
}

std::vector<int32_t> encoded(const std::string& text) {
    return demo_text()->tokenizer.encode_with_added_tokens(text);
}

std::vector<int32_t> joined(std::vector<int32_t> a, const std::vector<int32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

}  // namespace

TEST_CASE("vector_inputs: what a model makes, by its head") {
    ModelConfig config;
    CHECK(vector_kind(config) == VectorKind::embedding);
    for (const auto& [head, kind] : std::vector<std::pair<HeadKind, VectorKind>>{
             {HeadKind::none, VectorKind::embedding},
             {HeadKind::classes, VectorKind::classes},
             {HeadKind::reward, VectorKind::reward},
             {HeadKind::process_reward, VectorKind::steps}}) {
        config.head = head;
        CHECK(vector_kind(config) == kind);
    }
    CHECK(makes_no("classes", *demo_text()).message ==
          "the model \"demo-model\" makes no classes; it makes embeddings: POST /v1/embeddings");
}

TEST_CASE("vector_inputs: texts, ids, and what stands around a text") {
    const auto text = load_demo_text();
    InputEncoder plain(*text, 100, {});
    CHECK(plain.add("hello world", "input[0]"));
    CHECK(plain.add(std::vector<int32_t>{4, 5}, "input[1]"));
    std::vector<VectorInput> inputs = plain.take();
    CHECK(ids(inputs[0]) == encoded("hello world"));
    CHECK(ids(inputs[1]) == std::vector<int32_t>{4, 5});
    text->text_end_id = 9;
    InputEncoder ended(*text, 100, {});
    CHECK(ended.add("hello world", "input"));
    CHECK(ended.add(std::vector<int32_t>{4, 5}, "input"));
    inputs = ended.take();
    CHECK(ids(inputs[0]) == joined(encoded("hello world"), {9}));
    CHECK(ids(inputs[1]) == std::vector<int32_t>{4, 5});  // as they are
    InputOptions bare;
    bare.add_special_tokens = false;
    InputEncoder unended(*text, 100, bare);
    CHECK(unended.add("hello world", "input"));
    CHECK(ids(unended.take()[0]) == encoded("hello world"));
}

TEST_CASE("vector_inputs: prompts by name and by role, pooled or not") {
    const auto text = load_demo_text();
    text->embedder.prompts = {{"query", "Find:\n"}, {"passage", "Text:\n"}};
    text->embedder.default_prompt = "Any:\n";
    const auto first = [&](InputOptions options, TextRole role) {
        InputEncoder encoder(*text, 100, std::move(options));
        REQUIRE(encoder.add("hello", "input", role));
        return encoder.take()[0];
    };
    CHECK(ids(first({}, TextRole::any)) == encoded("Any:\nhello"));
    CHECK(ids(first({}, TextRole::query)) == encoded("Find:\nhello"));
    CHECK(ids(first({}, TextRole::document)) == encoded("Text:\nhello"));
    InputOptions named;
    named.prompt_name = "query";
    CHECK(ids(first(named, TextRole::any)) == encoded("Find:\nhello"));
    CHECK(first(named, TextRole::any).begin == 0);
    text->embedder.pools_prompt = false;
    CHECK(first(named, TextRole::any).begin == int(encoded("Find:\n").size()));
    named.prompt_name = "other";
    InputEncoder encoder(*text, 100, named);
    CHECK_FALSE(encoder.add("hello", "input"));
    CHECK(encoder.error()->message ==
          "prompt_name: the model has no prompt \"other\"; it has passage, query");
}

TEST_CASE("vector_inputs: a text that is a user's message") {
    const auto text = load_demo_text();
    text->embedder.renders_chat = true;
    text->embedder.prompts = {{"query", "Find"}};
    InputEncoder encoder(*text, 1000, {});
    REQUIRE(encoder.add("hello", "input", TextRole::query));
    const std::string rendered = text->tokenizer.decode(ids(encoder.take()[0]), false);
    CHECK(rendered == "<|im_start|>system\nFind<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n");
}

TEST_CASE("vector_inputs: what is too long is refused, or cut before what stands behind it") {
    const auto text = load_demo_text();
    text->text_end_id = 9;
    const std::string lengthy = "one two three four five six seven eight nine ten";
    const std::vector<int32_t> all = encoded(lengthy);
    InputEncoder strict(*text, 5, {});
    CHECK_FALSE(strict.add(lengthy, "input[3]"));
    CHECK(strict.error()->code == "context_length_exceeded");
    CHECK(strict.error()->param == "input[3]");
    for (const auto& [most, keeps_end, expected] :
         std::vector<std::tuple<int, bool, std::vector<int32_t>>>{
             {kToContext, false, joined({all.begin(), all.begin() + 4}, {9})},
             {3, false, joined({all.begin(), all.begin() + 2}, {9})},
             {3, true, joined({all.end() - 2, all.end()}, {9})},
             {1, false, {9}}}) {
        InputOptions options;
        options.truncate_prompt_tokens = most, options.keeps_end = keeps_end;
        InputEncoder encoder(*text, 5, options);
        REQUIRE(encoder.add(lengthy, "input"));
        CHECK(ids(encoder.take()[0]) == expected);
    }
    InputEncoder cut(*text, 100, {});
    REQUIRE(cut.add(lengthy, "documents[0]", TextRole::any, 2));
    CHECK(ids(cut.take()[0]) == joined({all.begin(), all.begin() + 2}, {9}));
}

TEST_CASE("vector_inputs: a pair is one text, whose document may be cut") {
    InputEncoder encoder(*demo_text(), 100, {});
    REQUIRE(encoder.add_pair("query", "a document", "documents[0]", {}));
    REQUIRE(encoder.add_pair("query", "a document", "documents[0]", 1));
    const std::vector<VectorInput> inputs = encoder.take();
    CHECK(ids(inputs[0]) == joined(encoded("query"), encoded("a document")));
    CHECK(ids(inputs[1]) == joined(encoded("query"), {encoded("a document")[0]}));
}

TEST_CASE("vector_inputs: a classifier looks at what comes before its padding") {
    const auto text = load_demo_text();
    text->config.head = HeadKind::classes, text->config.pad_token_id = 7;
    InputEncoder encoder(*text, 100, {});
    REQUIRE(encoder.add(std::vector<int32_t>{1, 7, 2, 7, 7}, "input"));
    REQUIRE(encoder.add(std::vector<int32_t>{7, 7}, "input"));
    const std::vector<VectorInput> inputs = encoder.take();
    CHECK(ids(inputs[0]) == std::vector<int32_t>{1, 7, 2});
    CHECK(ids(inputs[1]) == std::vector<int32_t>{7});
}

TEST_CASE("vector_inputs: a query beside many documents does not fill the memory") {
    std::string query;
    for (int i = 0; i < 1000; i++) query += " hello";
    InputEncoder encoder(*demo_text(), 1 << 20, {});
    int n = 0;
    while (n < 100'000 && encoder.add_pair(query, "a", "documents", {})) n++;
    CHECK(n < 10'000);
    CHECK(encoder.error()->message.find("send them in several requests") != std::string::npos);
    InputEncoder empty(*demo_text(), 100, {});
    CHECK_FALSE(empty.add("", "input[7]"));
    CHECK(empty.error()->message == "input[7]: expected text or token ids, found none");
}
