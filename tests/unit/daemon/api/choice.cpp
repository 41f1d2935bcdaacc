// What ends a choice, and what its end says of the calls in it.

#include "daemon/api/choice.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

const Tokenizer& demo() {
    static const Tokenizer tokenizer = Tokenizer::load("tests/demo-model");
    return tokenizer;
}

struct Said {
    std::string text, finish;
    std::vector<std::pair<std::string, std::string>> calls = {};  // name, arguments
    bool operator==(const Said&) const = default;
};

/// What a choice makes of `text` token by token, taken after every one; the last has `finish`.
Said say(const CompletionRequest& request, const std::string& text, FinishReason finish) {
    Choice choice(demo(), request);
    Said said;
    const auto ids = demo().encode_with_added_tokens(text);
    for (size_t i = 0; i < ids.size() && !choice.done(); i++) {
        TokenEvent event;
        event.sampled.token = ids[i];
        if (i + 1 == ids.size()) event.finish = finish;
        choice.on_event(event);
        ChoicePart part = choice.take();
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
    CompletionRequest request;
    request.chat = true;
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
        request.stream = false;
        CHECK(say(request, c.text, c.finish) == c.document);
        request.stream = true;
        CHECK(say(request, c.text, c.finish) == c.stream);
    }
}
