// Lines and documents of the dialect. Times read 9, and ids of calls #.

#include "daemon/api/ollama/renderer.h"

#include <doctest/doctest.h>
#include <simdjson.h>

#include <regex>

#include "daemon/api/answer_body.h"
#include "tests/unit/daemon/api/renderer_conformance.h"

using namespace qwend;

namespace {

namespace dom = simdjson::dom;

OllamaStyle style_of(bool chat, bool stream = true) {
    OllamaStyle style;
    style.chat = chat;
    style.model = "m";
    style.stream = stream;
    return style;
}

Generation generation_of(const OllamaStyle& style) {
    Generation generation;
    generation.whole_calls = true;
    generation.return_token_ids = style.gives_context;
    return generation;
}

/// All bytes of an answer to a prompt of three ids, with times and ids of calls as said above.
std::string bytes_of(const OllamaStyle& style, const Generation& generation,
                     const std::vector<TokenEvent>& events) {
    AnswerBody body(demo(), generation, {{5, 6, 7}}, ollama_renderer(style));
    std::string out;
    for (const TokenEvent& event : events) {
        body.on_event(0, event);
        do body.take(out);
        while (body.behind());
    }
    out = std::regex_replace(out, std::regex(R"("created_at":"[-0-9]{10}T[:0-9]{8}\.[0-9]{9}Z")"),
                             R"("created_at":"#")");
    out = std::regex_replace(out, std::regex(R"(_duration":[1-9][0-9]*)"), R"(_duration":9)");
    return std::regex_replace(out, std::regex(R"("call_[0-9a-f]{8}")"), R"("call_#")");
}

std::vector<TokenEvent> say(const std::string& text, FinishReason finish = FinishReason::length) {
    return events_of(ids_of(text), finish, 1);
}

std::string bytes_of(const OllamaStyle& style, const std::string& text) {
    return bytes_of(style, generation_of(style), say(text));
}

constexpr const char* kTimes =
    R"("total_duration":9,"load_duration":9,"prompt_eval_count":3,"prompt_eval_duration":9,)";

/// What a client reads: the text, the calls, the end without its times, the log-probabilities.
std::string read(const std::string& bytes, bool chat) {
    std::string text, calls, logprobs, end;
    for (size_t at = 0, next; at < bytes.size(); at = next + 1) {
        next = std::min(bytes.find('\n', at), bytes.size());
        dom::parser parser;
        dom::element line, member;
        dom::array list;
        if (parser.parse(bytes.substr(at, next - at)).get(line)) return {};
        if (chat) {
            text += line["message"]["content"].get_string().value();
            if (!line["message"]["tool_calls"].get(list))
                for (dom::element call : list) calls += simdjson::minify(call["function"].value());
        } else {
            text += line["response"].get_string().value();
        }
        if (!line["logprobs"].get(list))
            for (dom::element entry : list) logprobs += simdjson::minify(entry);
        if (line["done"].get_bool().value()) {
            end += line["done_reason"].get_string().value();
            end += std::to_string(line["prompt_eval_count"].get_int64().value());
            if (!line["context"].get(member)) end += simdjson::minify(member);
        }
    }
    return text + "|" + calls + "|" + logprobs + "|" + end;
}

bool is_whole(const std::string& bytes) {
    const size_t last = bytes.size() < 2 ? 0 : bytes.rfind('\n', bytes.size() - 2) + 1;
    dom::parser parser;
    dom::element line;
    return !parser.parse(bytes.substr(last)).get(line) && line["done"].get_bool().value();
}

}  // namespace

TEST_CASE("ollama_renderer: the contract of renderers") {
    for (const bool chat : {true, false}) {
        CAPTURE(chat);
        Dialect dialect;
        dialect.make = [=](bool is_stream) {
            OllamaStyle style = style_of(chat, is_stream);
            style.gives_context = !chat;
            return ollama_renderer(style);
        };
        dialect.read = [=](const std::string& bytes, bool, int) { return read(bytes, chat); };
        dialect.is_whole = [](const std::string& bytes, bool) { return is_whole(bytes); };
        dialect.is_chat = chat;
        dialect.has_one_choice = dialect.whole_calls = true;
        CHECK(fault_of(dialect, 100) == "");
    }
}

TEST_CASE("ollama_renderer: a chat, line by line") {
    const std::string line = R"({"model":"m","created_at":"#","message":{"role":"assistant",)";
    CHECK(bytes_of(style_of(true), "a \"b") ==
          line +
              R"("content":"a"},"done":false})"
              "\n" +
              line +
              R"("content":" \""},"done":false})"
              "\n" +
              line +
              R"("content":"b"},"done":false})"
              "\n" +
              line + R"("content":""},"done":true,"done_reason":"length",)" + kTimes +
              R"("eval_count":3,"eval_duration":9})"
              "\n");
}

TEST_CASE("ollama_renderer: a text with its context, line by line and whole") {
    OllamaStyle style = style_of(false);
    style.gives_context = true;
    const auto ids = ids_of("ab");
    std::string context = "5,6,7";
    for (int32_t id : ids) context += "," + std::to_string(id);
    const std::string end = std::string(R"("done":true,"done_reason":"length",)") + kTimes +
                            R"("eval_count":)" + std::to_string(ids.size()) +
                            R"(,"eval_duration":9,"context":[)" + context + "]}";
    const std::string lines = bytes_of(style, "ab");
    CHECK(lines.starts_with(R"({"model":"m","created_at":"#","response":"a)"));
    CHECK(lines.ends_with(R"({"model":"m","created_at":"#","response":"",)" + end + "\n"));
    style.stream = false;
    CHECK(bytes_of(style, "ab") == R"({"model":"m","created_at":"#","response":"ab",)" + end);
}

TEST_CASE("ollama_renderer: calls come whole, with objects, in a line before the last") {
    const OllamaStyle style = style_of(true);
    Generation generation = generation_of(style);
    generation.chat_options.tools = {"{}"};
    const std::string both = bytes_of(
        style, generation, say("Look: " + tool_call("{\"x\": {\"y\": [1]}}") + tool_call("{}")));
    const std::string call = R"("tool_calls":[{"id":"call_#","function":{"index":)";
    CHECK(both.find(R"("content":"",)" + call +
                    R"(0,"name":"f","arguments":{"x": {"y": [1]}}}}]},)"
                    R"("done":false})") != std::string::npos);
    CHECK(both.find(call + R"(1,"name":"f","arguments":{}}}]},"done":false})") !=
          std::string::npos);
    CHECK(both.find(R"("done_reason":"length")") != std::string::npos);
    const std::string document = bytes_of(style_of(true, false), generation,
                                          say("Look: " + tool_call("{}"), FinishReason::length));
    CHECK(document.find(R"("content":"Look:",)" + call + R"(0,"name":"f","arguments":{}}}]},)") !=
          std::string::npos);
}

TEST_CASE("ollama_renderer: a call whose arguments are no object is the text it was") {
    for (const bool stream : {true, false}) {
        const OllamaStyle style = style_of(true, stream);
        Generation generation = generation_of(style);
        generation.chat_options.tools = {"{}"};
        const std::string bytes = bytes_of(style, generation, say(tool_call("[1]")));
        CHECK(bytes.find("tool_calls\":") == std::string::npos);
        CHECK(read(bytes, true) == tool_call("[1]") + "|||length3");
        // It shows only after the call has begun.
        CHECK(read(bytes_of(style, generation, say(tool_call("{\"x\": nope}"))), true) ==
              tool_call("{\"x\": nope}") + "|||length3");
    }
}

TEST_CASE("ollama_renderer: what a model thinks comes apart from what it says") {
    ModelText model = std::move(*load_demo_text());
    model.output_format.reasoning = ReasoningFormat::think;
    for (const bool stream : {true, false}) {
        AnswerBody body(model, generation_of(style_of(true)), {{5}},
                        ollama_renderer(style_of(true, stream)));
        std::string out;
        for (const TokenEvent& event : say("<think>hm</think>Hi")) {
            body.on_event(0, event);
            body.take(out);
        }
        CHECK(out.find("\"thinking\":\"h") != std::string::npos);
        CHECK(out.find("Hi\"") != std::string::npos);
        CHECK(out.find("think>") == std::string::npos);
    }
}

TEST_CASE("ollama_renderer: why an answer ended") {
    const auto reason = [](FinishReason finish, bool tools) {
        const OllamaStyle style = style_of(true, false);
        Generation generation = generation_of(style);
        if (tools) generation.chat_options.tools = {"{}"};
        const std::string bytes = bytes_of(style, generation, say(tool_call("{}") + "\n", finish));
        const size_t at = bytes.find("\"done_reason\":\"") + 15;
        return bytes.substr(at, bytes.find('"', at) - at);
    };
    CHECK(reason(FinishReason::stop, false) == "stop");
    CHECK(reason(FinishReason::stop, true) == "stop");
    CHECK(reason(FinishReason::length, false) == "length");
    CHECK(reason(FinishReason::abort, false) == "abort");
}

TEST_CASE("ollama_renderer: log-probabilities with the lines of their tokens, and whole") {
    OllamaStyle style = style_of(false);
    Generation generation = generation_of(style);
    generation.sampling.n_logprobs = 1;
    const std::string lines = bytes_of(style, generation, say("ab"));
    CHECK(lines.find(R"("done":false,"logprobs":[{"token":"a)") != std::string::npos);
    style.stream = false;
    const std::string document = bytes_of(style, generation, say("ab"));
    CHECK(document.starts_with(R"({"model":"m","logprobs":[{"token":"a)"));
    CHECK(read(document, false) == read(lines, false));
}

TEST_CASE("ollama_renderer: no line says nothing, and an error is a line") {
    const OllamaStyle style = style_of(true);
    // The end of a sequence is no text: there is one line.
    const std::string bytes =
        bytes_of(style, generation_of(style), events_of({6060}, FinishReason::stop));
    CHECK(std::count(bytes.begin(), bytes.end(), '\n') == 1);
    CHECK(bytes.find(R"("content":""},"done":true,"done_reason":"stop")") != std::string::npos);
    AnswerBody body(demo(), generation_of(style), {{5}}, ollama_renderer(style));
    CHECK(body.form().ping.empty());
    CHECK(std::string(body.form().content_type) == "application/x-ndjson");
    CHECK(body.error_event(bad_request("a")) == "{\"error\":\"a\"}\n");
}

TEST_CASE("ollama_renderer: nothing is zero, and the times add up") {
    OllamaStyle style = style_of(true, false);
    AnswerBody body(demo(), generation_of(style), {{5}}, ollama_renderer(style));
    auto event = events_of(ids_of("a"), FinishReason::length)[0];
    body.on_event(0, event);
    std::string out;
    body.take(out);
    dom::parser parser;
    dom::element document;
    REQUIRE_FALSE(parser.parse(out).get(document));
    const auto value = [&](const char* name) { return document[name].get_int64().value(); };
    CHECK(value("eval_duration") == 1);  // there is no time between one token and itself
    CHECK(value("total_duration") >= value("prompt_eval_duration") + value("eval_duration") - 2);
}

TEST_CASE("ollama_renderer: what asks for no text") {
    OllamaRequest request;
    request.style = style_of(true);
    request.asks = OllamaRequest::Asks::load;
    const auto said = [&] {
        return std::regex_replace(render_nothing_asked(request), std::regex("T[^\"]*Z"), "#");
    };
    CHECK(std::regex_match(
        said(), std::regex(R"(\{"model":"m","created_at":"[-0-9]*#","message":\{"role":)"
                           R"("assistant","content":""\},"done":true,"done_reason":"load"\})")));
    request.style.chat = false;
    request.asks = OllamaRequest::Asks::unload;
    CHECK(said().ends_with(R"("response":"","done":true,"done_reason":"unload"})"));
}
