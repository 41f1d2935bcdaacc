// Both of OpenAI's renderers: a stream and a document made of the same tokens say the same.

#include "daemon/api/openai/renderers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tests/unit/daemon/api/openai/rendered.h"
#include "tests/unit/daemon/api/renderer_conformance.h"

using namespace qwend;

namespace {

/// A call that the end cut is none in a document, where it is text behind the other.
void compare(Said stream, const Said& document) {
    REQUIRE(stream.choices.size() == document.choices.size());
    CHECK(stream.prompt_token_ids == document.prompt_token_ids);
    for (size_t i = 0; i < document.choices.size(); i++) {
        Said::Choice &x = stream.choices[i], y = document.choices[i];
        if (x.calls.size() == y.calls.size() + 1) {
            CHECK(x.finish_reason != "tool_calls");
            REQUIRE(y.text.starts_with(x.text));
            y.text.resize(x.text.size());
            x.calls.pop_back();
        }
        CHECK(x.text == y.text);
        CHECK(x.reasoning == y.reasoning);
        CHECK(x.calls == y.calls);
        CHECK(x.finish_reason == y.finish_reason);
        CHECK(x.stop_reason == y.stop_reason);
        CHECK(x.token_ids == y.token_ids);
        CHECK(x.prompt_token_ids == y.prompt_token_ids);
        CHECK(x.logprobs == y.logprobs);
    }
}

/// Everything said of the choices, in a line each.
std::string words_of(const Said& said) {
    std::string words = said.usage + said.prompt_token_ids;
    for (const Said::Choice& choice : said.choices) {
        words += "\n" + choice.reasoning + "\n" + choice.text + choice.finish_reason +
                 choice.stop_reason;
        words += choice.token_ids + choice.prompt_token_ids;
        for (auto& [name, arguments] : choice.calls) words += name + arguments;
        for (const std::string& list : choice.logprobs) words += list;
    }
    return words;
}

Dialect openai(OpenAiStyle style) {
    Dialect dialect;
    dialect.is_chat = style.chat;
    style.include_usage = true;
    dialect.make = [style](bool is_stream) mutable {
        style.stream = is_stream;
        return openai_renderer(style);
    };
    dialect.read = [](const std::string& bytes, bool is_stream, int n) {
        return words_of(is_stream ? read_stream(bytes, n) : read_document(bytes));
    };
    dialect.is_whole = [](const std::string& bytes, bool is_stream) {
        dom::parser parser;
        return is_stream ? bytes.ends_with("data: [DONE]\n\n")
                         : parser.parse(bytes).error() == simdjson::SUCCESS;
    };
    return dialect;
}

/// Of anything a request can say that matters to the form of an answer.
OpenAiRequest random_request(std::mt19937& random) {
    OpenAiRequest request = random() % 2 ? chat_request() : text_request();
    Generation& q = request.generation;
    q.n = 1 + int(random() % 3);
    if (request.style.chat && random() % 2) q.chat_options.tools = {"{}"};
    if (random() % 2) q.sampling.n_logprobs = int(random() % 4);
    q.split_reasoning = request.style.chat;
    q.begins_in_reasoning = random() % 2;
    request.style.include_reasoning = random() % 4;
    if (random() % 3 == 0) q.stops = {"l", "好", "</tool_call>\n"};
    if (random() % 3 == 0) q.stops.push_back("b\n\n");
    q.sampling.min_tokens = random() % 3 ? 0 : int(random() % 10);
    q.include_stop = random() % 2;
    q.skip_special_tokens = random() % 2;
    q.return_token_ids = random() % 2;
    request.style.tokens_as_ids = random() % 4 == 0;
    q.parallel_tool_calls = random() % 4;
    q.echo = !request.style.chat && random() % 2;
    return request;
}

/// What is said may be whole or broken: reasoning, calls of either form, text, bytes of characters.
Events random_events(const Generation& generation, size_t n_choices, std::mt19937& random) {
    const std::vector<std::string> parts = {"Hello, ",
                                            "你好",
                                            "🙂 ",
                                            "e\u0301",
                                            "\n\n",
                                            " a b",
                                            "<tool_call>",
                                            "</tool_call>",
                                            tool_call("{\"x\": \"你 </tool_call>\"}"),
                                            tool_call("\"{}\""),
                                            tool_call("{\"x\": ["),
                                            coder_call("x", "你 </tool_call>\nb\n"),
                                            coder_call("x", "[1, {}]"),
                                            "<function=f>\n<parameter=y>",
                                            "</think>",
                                            "<|im_end|>"};
    const std::vector<FinishReason> ends = {FinishReason::stop, FinishReason::length,
                                            FinishReason::abort};
    Events events;
    for (size_t i = 0; i < n_choices; i++) {
        std::string text = random() % 2 ? "" : "<think>\nhm\n\n";
        for (size_t n = random() % 8; n > 0; n--) text += parts[random() % parts.size()];
        std::vector<int32_t> ids = ids_of(text + ".");
        for (size_t n = random() % 3; n > 0; n--) ids.push_back(int32_t(random() % 256));
        events.push_back(events_of(ids, ends[random() % ends.size()],
                                   std::max(0, generation.sampling.n_logprobs)));
    }
    return events;
}

}  // namespace

TEST_CASE("openai_renderers: both keep the contract of renderers") {
    OpenAiStyle style;
    for (const bool chat : {false, true}) {
        CAPTURE(chat);
        style.chat = chat;
        CHECK(fault_of(openai(style), 150) == "");
    }
}

TEST_CASE("openai_renderers: a stream says what the document says") {
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < 600; round++) {
        OpenAiRequest request = random_request(random);
        std::vector<std::vector<int32_t>> prompts(request.style.chat ? 1 : 1 + random() % 2,
                                                  {5, 6, 7});
        if (!request.style.chat)
            request.generation.prompts.resize(prompts.size(), Prompt("\"echo\" \u212B"));
        const Events events = random_events(request.generation,
                                            prompts.size() * size_t(request.generation.n), random);
        const ModelText* models[] = {&demo(), &with_special_tags(),
                                     &with_reasoning(ToolFormat::hermes),
                                     &with_reasoning(ToolFormat::qwen3_coder)};
        const ModelText& model = *models[random() % 4];
        const Said document = read_document(bytes_of(request, events, prompts, model));
        request.style.stream = true;
        request.style.include_usage = true;
        request.style.continuous_usage = random() % 2;
        const Said stream =
            read_stream(bytes_of(request, events, prompts, model), int(events.size()));
        compare(stream, document);
        CHECK(stream.usage == document.usage);
        for (auto& choice : document.choices) CHECK(choice.finish_reason != "null");
    }
}
