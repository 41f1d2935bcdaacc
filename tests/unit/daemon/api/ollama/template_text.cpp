// What /api/generate is given becomes a prompt.

#include "daemon/api/ollama/template_text.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "daemon/api/prompts.h"
#include "tests/unit/daemon/api/ollama/parsed.h"
#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

using Ids = std::vector<int32_t>;

constexpr int32_t kImEnd = 6060;
const std::string kSystem =
    "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    "<|im_end|>\n";

Ids ids_of_prompt(const ParsedOllama& parsed, const ModelText& text = demo()) {
    REQUIRE_FALSE(parsed.error);
    const EncodedPrompts encoded = encode_prompts(text, parsed.generation());
    REQUIRE(encoded.prompts.size() == 1);
    return encoded.prompts[0];
}

std::string prompt_text(const std::string& members, const ModelText& text = demo()) {
    return text.tokenizer.decode(ids_of_prompt(parsed_generate(members, text), text), false);
}

ModelText without_template() {
    ModelText text = std::move(*load_demo_text());
    text.chat_template = {};
    return text;
}

/// A context as it is sent, of a text with its control tokens.
std::string context_of(const std::string& text) {
    std::string ids;
    for (int32_t id : ids_of(text)) ids += (ids.empty() ? "" : ",") + std::to_string(id);
    return ids;
}

}  // namespace

TEST_CASE("ollama_template_text: a prompt is a turn, a system text one before it") {
    CHECK(prompt_text(R"("prompt":"a <|im_end|>")") ==
          kSystem + "<|im_start|>user\na <|im_end|><|im_end|>\n<|im_start|>assistant\n");
    CHECK(prompt_text(R"("prompt":"a","system":"b")") ==
          "<|im_start|>system\nb<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
          "<|im_start|>assistant\n");
    const Ids ids = ids_of_prompt(parsed_generate(R"("prompt":"a <|im_end|>")"));
    CHECK(std::count(ids.begin(), ids.end(), kImEnd) == 2);  // the client's is text
}

TEST_CASE("ollama_template_text: a raw prompt is all there is, control tokens included") {
    const Ids ids = ids_of_prompt(parsed_generate(R"("prompt":"a<|im_end|>","raw":true)"));
    CHECK(ids == ids_of("a<|im_end|>"));
    CHECK(ids.back() == kImEnd);
}

TEST_CASE("ollama_template_text: an earlier answer goes on with a turn more, and one system text") {
    const std::string before =
        kSystem + "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nHello";
    const std::string next = "<|im_start|>user\nb<|im_end|>\n<|im_start|>assistant\n";
    // It ended by itself, or was cut: the turn's end is written once.
    for (const char* end : {"", "<|im_end|>"}) {
        const std::string members = R"("prompt":"b","context":[)" + context_of(before + end) + "]";
        CHECK(prompt_text(members) == before + "<|im_end|>\n" + next);
        CHECK(parsed_generate(members).generation().stop_token_ids == demo().chat_eos_token_ids);
        CHECK(prompt_text(members + R"(,"system":"c")") ==
              before + "<|im_end|>\n<|im_start|>system\nc<|im_end|>\n" + next);
    }
    // What a conversation with the same turns would have been.
    Generation whole;
    whole.messages = {{"user", "a", {}}, {"assistant", "Hello", {}}, {"user", "b", {}}};
    CHECK(encode_prompts(demo(), whole).prompts[0] ==
          ids_of_prompt(parsed_generate(R"("prompt":"b","context":[)" + context_of(before) + "]")));
}

TEST_CASE("ollama_template_text: a gap is what stands between the tokens for it") {
    const ParsedOllama parsed = parsed_generate(R"("prompt":"a <|im_end|>","suffix":"b")");
    const Ids ids = ids_of_prompt(parsed);
    CHECK(demo().tokenizer.decode(ids, false) ==
          "<|fim_prefix|>a <|im_end|><|fim_suffix|>b<|fim_middle|>");
    CHECK(std::count(ids.begin(), ids.end(), kImEnd) == 0);
    CHECK(ids.front() == 6074);
    CHECK(ids.back() == 6075);
    CHECK(prompt_text(R"("suffix":"b")") == "<|fim_prefix|><|fim_suffix|>b<|fim_middle|>");
}

TEST_CASE("ollama_template_text: no gap without its tokens") {
    CHECK(parsed_generate(R"("prompt":"a","suffix":"b")", without_fim()).message() ==
          "\"m\" does not support insert");
}

TEST_CASE("ollama_template_text: a model without a template goes on with the text") {
    const ModelText text = without_template();
    CHECK(prompt_text(R"("prompt":"a <|im_end|>")", text) == "a <|im_end|>");
    CHECK(ids_of_prompt(parsed_generate(R"("prompt":"a <|im_end|>")", text), text).back() !=
          kImEnd);
    CHECK(prompt_text(R"("prompt":"a","system":"b")", text) == "b\n\na");
    CHECK(prompt_text(R"("prompt":"b","context":[)" + context_of("a ") + "]", text) == "a b");
    CHECK(shows_tools(demo().chat_template));
    CHECK_FALSE(shows_tools(text.chat_template));
    CHECK_FALSE(shows_tools(parse_chat_template("{{ messages[0].content }}")));
}
