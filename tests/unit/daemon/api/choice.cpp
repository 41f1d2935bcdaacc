// What ends a choice, and what its end says of the calls in it.

#include "daemon/api/choice.h"

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;

namespace {

struct Said {
    std::string text, finish;
    std::vector<std::pair<std::string, std::string>> calls = {};  // name, arguments
    std::string reasoning = {};
    bool operator==(const Said&) const = default;
};

/// What a choice makes of the ids, taken after every one; the last has `finish`.
Said say(const Generation& request, const std::vector<int32_t>& ids, FinishReason finish,
         const Tokenizer& tokenizer = demo().tokenizer, OutputFormat format = {}) {
    Choice choice(tokenizer, request, format);
    Said said;
    for (size_t i = 0; i < ids.size() && !choice.done(); i++) {
        TokenEvent event;
        event.sampled.token = ids[i];
        if (i + 1 == ids.size()) event.finish = finish;
        choice.on_event(event);
        ChoicePart part = choice.take();
        if (!part.reasoning.empty()) CHECK(said.text.empty());
        said.reasoning += part.reasoning;
        said.text += part.text;
        for (const CallPart& call : part.calls) {
            if (!call.name.empty()) said.calls.push_back({call.name, ""});
            CHECK(call.index + 1 == int(said.calls.size()));
            said.calls.back().second += call.arguments;
        }
    }
    said.finish = choice.finish_name();
    return said;
}

}  // namespace

TEST_CASE("choice: a call that the end cuts is text, or in a stream as much as was sent") {
    const std::string whole = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n";
    const std::string cut = "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"x\": [1, ";
    Generation request;
    request.chat_options.tools = {"{}"};
    request.stops = {"STOP"};
    struct Case {
        std::string text;
        FinishReason finish;
        Said document, stream;
    };
    const Said as_text{"a " + cut, "stop"}, as_sent{"a", "stop", {{"g", "{\"x\": [1, "}}};
    for (const Case& c :
         std::vector<Case>{{"a " + cut + "STOP 2]}}", FinishReason::length, as_text, as_sent},
                           {"a " + cut + "<|im_end|>", FinishReason::stop, as_text, as_sent},
                           {"a " + cut,
                            FinishReason::length,
                            {as_text.text, "length"},
                            {as_sent.text, "length", as_sent.calls}},
                           {whole + cut + "STOP",
                            FinishReason::length,
                            {"\n" + cut, "stop", {{"f", "{}"}}},
                            {"", "stop", {{"f", "{}"}, as_sent.calls[0]}}},
                           {whole + "STOP",
                            FinishReason::length,
                            {"", "tool_calls", {{"f", "{}"}}},
                            {"", "tool_calls", {{"f", "{}"}}}},
                           // The brace that is missing is no part of what is called.
                           {whole.substr(0, whole.size() - 15) + "STOP",
                            FinishReason::length,
                            {"", "tool_calls", {{"f", "{}"}}},
                            {"", "tool_calls", {{"f", "{}"}}}}}) {
        CAPTURE(c.text);
        request.whole_calls = true;
        CHECK(say(request, ids_of(c.text), c.finish) == c.document);
        request.whole_calls = false;
        CHECK(say(request, ids_of(c.text), c.finish) == c.stream);
    }
}

TEST_CASE("choice: a character that the end cuts is no text, a broken one is") {
    std::vector<int32_t> ids = ids_of("a🙂");
    REQUIRE(ids.size() > 2);
    ids.pop_back();
    for (FinishReason finish : {FinishReason::length, FinishReason::stop, FinishReason::abort}) {
        std::vector<int32_t> cut = ids;
        if (finish == FinishReason::stop) cut.push_back(ids_of("<|im_end|>")[0]);
        CHECK(say({}, cut, finish).text == "a");
    }
    ids.push_back(ids_of("b")[0]);
    CHECK(say({}, ids, FinishReason::length).text == "a\uFFFDb");
}

TEST_CASE("choice: where text comes at the end, a stop string ends it there") {
    const Tokenizer tokenizer = Tokenizer::parse(
        R"({"decoder":{"type":"Sequence","decoders":[{"type":"Fuse"},{"type":"Replace","pattern":)"
        R"({"Regex":"b+"},"content":"X"}]},"model":{"type":"WordLevel","unk_token":"a","vocab":)"
        R"({"a":0,"b":1,"c":2}}})");
    const std::vector<int32_t> ids = {0, 1, 1, 2, 1, 0};
    Generation request;
    CHECK(say(request, ids, FinishReason::length, tokenizer) == Said{"aXcXa", "length"});
    CHECK(say(request, ids, FinishReason::none, tokenizer) == Said{"", "cancelled"});
    request.stops = {"cX"};
    CHECK(say(request, ids, FinishReason::length, tokenizer) == Said{"aX", "stop"});
    request.stops = {"aY"};
    CHECK(say(request, ids, FinishReason::length, tokenizer) == Said{"aXcXa", "length"});
    request.sampling.stop_token_ids = {0};
    CHECK(say(request, ids, FinishReason::stop, tokenizer) == Said{"aXcX", "stop"});
}

TEST_CASE("choice: a token that ends an answer is text, unless it is one of those that end any") {
    Generation request;
    const auto ids = ids_of("a b");
    CHECK(say(request, ids, FinishReason::stop) == Said{"a b", "stop"});  // its form is complete
    request.sampling.stop_token_ids = {ids.back()};
    CHECK(say(request, ids, FinishReason::stop) == Said{"a", "stop"});
    request.include_stop = true;
    CHECK(say(request, ids, FinishReason::stop) == Said{"a b", "stop"});
}

TEST_CASE("choice: stop strings wait for min_tokens") {
    Generation request;
    request.stops = {"b"};
    const std::string text = "a b a b a b";
    const auto ids = ids_of(text);
    for (int min_tokens = 0; min_tokens < int(ids.size()); min_tokens++) {
        request.sampling.min_tokens = min_tokens;
        const std::string first =
            demo().tokenizer.decode(std::span(ids).first(size_t(min_tokens)), false);
        const Said said = say(request, ids, FinishReason::length);
        CHECK(said == Said{text.substr(0, text.find('b', first.size())), "stop"});
    }
}

TEST_CASE("choice: a call tells how much of the text comes before it") {
    const std::string call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>";
    Generation request;
    request.chat_options.tools = {"{}"};
    for (bool whole : {false, true}) {
        request.whole_calls = whole;
        Choice choice(demo().tokenizer, request);
        for (int32_t id : ids_of("one " + call + " two " + call + call)) {
            TokenEvent event;
            event.sampled.token = id;
            choice.on_event(event);
        }
        const ChoicePart part = choice.take();
        CHECK(part.text == "one two");
        REQUIRE(part.calls.size() == 3);
        CHECK(part.calls[0].text_before == 3);
        CHECK(part.calls[1].text_before == 7);
        CHECK(part.calls[2].text_before == 7);
    }
}

TEST_CASE("choice: without parallel_tool_calls the first call ends it") {
    Generation request;
    request.chat_options.tools = {"{}"};
    const auto ids = ids_of("a " + tool_call("{\"x\": 1}") + "\n" + tool_call("{}") + " b");
    for (const bool whole : {false, true}) {
        request.whole_calls = whole;
        request.parallel_tool_calls = true;
        const Said both = say(request, ids, FinishReason::length);
        CHECK(both.calls.size() == 2);
        CHECK(both.finish == "length");
        request.parallel_tool_calls = false;
        CHECK(say(request, ids, FinishReason::length) ==
              Said{"a", "tool_calls", {{"f", "{\"x\": 1}"}}});
        Choice choice(demo().tokenizer, request);
        const auto events = events_of(ids, FinishReason::length);
        size_t n = 0;
        while (!choice.on_event(events[n])) REQUIRE(++n < events.size());  // to be cancelled
        CHECK(n < ids.size() / 2);
    }
}

TEST_CASE("choice: calls are found where their tags are special tokens") {
    const auto ids = ids_of("a " + tool_call("{}") + "<|im_end|>");
    const Tokenizer& tokenizer = with_special_tags().tokenizer;
    Generation request;
    // Without tools they are special tokens like any other.
    CHECK(say(request, ids, FinishReason::length, tokenizer).text.find('<') == std::string::npos);
    request.chat_options.tools = {"{}"};
    CHECK(say(request, ids, FinishReason::length, tokenizer) == Said{"a", "length", {{"f", "{}"}}});
}

TEST_CASE("choice: reasoning comes apart, before text and calls") {
    const OutputFormat thinks{ReasoningFormat::think, ToolFormat::hermes};
    const auto ids = ids_of("<think>\nhm <b>\n</think>\n\na " + tool_call("{}"));
    Generation request;
    request.chat_options.tools = {"{}"};
    const Said apart{"a", "length", {{"f", "{}"}}, "hm <b>"};
    CHECK(say(request, ids, FinishReason::length, demo().tokenizer, thinks) == apart);
    // Nobody wants it apart, or no model writes it.
    const Said joined{"<think>\nhm <b>\n</think>\n\na", "length", {{"f", "{}"}}};
    CHECK(say(request, ids, FinishReason::length) == joined);
    request.split_reasoning = false;
    CHECK(say(request, ids, FinishReason::length, demo().tokenizer, thinks) == joined);
    // The prompt has opened it.
    request.split_reasoning = request.begins_in_reasoning = true;
    CHECK(say(request, ids_of("hm <b>\n</think>a"), FinishReason::length, demo().tokenizer,
              thinks) == Said{"a", "length", {}, "hm <b>"});
    CHECK(say(request, ids_of("hm"), FinishReason::length, demo().tokenizer, thinks) ==
          Said{"", "length", {}, "hm"});
}

TEST_CASE("choice: stop strings end reasoning too, and its tokens count") {
    const OutputFormat thinks{ReasoningFormat::think, ToolFormat::hermes};
    Generation request;
    request.begins_in_reasoning = true;
    request.stops = {"STOP"};
    CHECK(say(request, ids_of("a STOP b</think>c"), FinishReason::length, demo().tokenizer,
              thinks) == Said{"", "stop", {}, "a "});
    request.stops = {};
    Choice choice(demo().tokenizer, request, thinks);
    const auto before = ids_of("one two</think>"), after = ids_of("\n\nthree four");
    for (const auto& ids : {before, after})
        for (const TokenEvent& event : events_of(ids, FinishReason::none)) choice.on_event(event);
    CHECK(choice.n_reasoning_tokens() == int(before.size()));
    CHECK(choice.n_tokens() == int(before.size() + after.size()));
}

TEST_CASE("choice: calls are found in the form that the model writes") {
    const OutputFormat format{ReasoningFormat::none, ToolFormat::qwen3_coder};
    const auto ids = ids_of(
        "a <tool_call>\n<function=f>\n<parameter=x>\n1\n</parameter>\n"
        "</function>\n</tool_call>");
    for (const bool whole : {false, true}) {
        Generation request;
        request.chat_options.tools = {"{}"};
        request.whole_calls = whole;
        const auto& tokenizer = demo().tokenizer;
        CHECK(say(request, ids, FinishReason::length, tokenizer, format) ==
              Said{"a", "length", {{"f", "{\"x\": 1}"}}});
        // A model that writes none, and a form that is not its.
        const OutputFormat none{ReasoningFormat::none, ToolFormat::none};
        CHECK(say(request, ids_of(tool_call("{}")), FinishReason::length, tokenizer, none).text ==
              tool_call("{}"));
        CHECK(say(request, ids, FinishReason::length).calls.empty());
    }
}

TEST_CASE("choice: a token for logprobs says whether it is text, and after how many calls") {
    const OutputFormat thinks{ReasoningFormat::think, ToolFormat::hermes};
    Generation request;
    request.chat_options.tools = {"{}"};
    request.sampling.n_logprobs = 0;
    for (const bool whole : {false, true}) {
        request.whole_calls = whole;
        Choice choice(demo().tokenizer, request, thinks);
        for (const TokenEvent& event :
             events_of(ids_of("<think>hmm</think>Hello" + tool_call("{\"x\": \"yyy\"}") + "after"),
                       FinishReason::length))
            choice.on_event(event);
        std::string before, after;
        for (const PlacedToken& token : choice.take().tokens)
            if (token.is_text)
                (token.n_calls > 0 ? after : before) +=
                    demo().tokenizer.token_bytes(token.sampled.token);
        CHECK(before.find("Hello") != std::string::npos);
        CHECK(before.find("hmm") == std::string::npos);
        CHECK(after.ends_with("after"));
        CHECK((before + after).find("yyy") == std::string::npos);
    }
}
