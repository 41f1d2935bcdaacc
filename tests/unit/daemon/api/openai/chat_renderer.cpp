// Chat completions: the deltas of a stream and the message of a document.

#include <doctest/doctest.h>

#include "tests/unit/daemon/api/openai/rendered.h"

using namespace qwend;

namespace {

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// The deltas of all events but the last, which is [DONE]; ids of calls read "call_#".
std::vector<std::string> deltas_of(OpenAiRequest request, const Events& events) {
    request.style.stream = true;
    std::vector<std::string> deltas;
    for (const std::string& data : data_of(bytes_of(request, events))) {
        if (data == "[DONE]") return deltas;
        dom::parser parser;
        dom::element event;
        REQUIRE(parser.parse(data).get(event) == simdjson::SUCCESS);
        std::string delta = minified(event["choices"].at(0)["delta"].value());
        if (const size_t id = delta.find("call_"); id != std::string::npos)
            delta.replace(id + 5, 16, "#");
        deltas.push_back(delta);
    }
    FAIL_CHECK("a stream without an end");
    return deltas;
}

/// Deltas that go on with the same member made one.
std::vector<std::string> joined_deltas(const std::vector<std::string>& deltas,
                                       const std::string& open, const std::string& close) {
    std::vector<std::string> out;
    for (const std::string& delta : deltas) {
        if (!out.empty() && delta.starts_with(open) && out.back().starts_with(open))
            out.back().insert(out.back().size() - close.size(),
                              delta.substr(open.size(), delta.size() - open.size() - close.size()));
        else
            out.push_back(delta);
    }
    return out;
}

}  // namespace

TEST_CASE("openai_chat_renderer: the role, the text, and an end without a delta") {
    const auto deltas =
        deltas_of(chat_request(), {events_of(ids_of("a \"b\" 🙂"), FinishReason::length)});
    CHECK(joined_deltas(deltas, R"({"content":")", "\"}") ==
          std::vector<std::string>{R"({"role":"assistant","content":""})",
                                   R"({"content":"a \"b\" 🙂"})", "{}"});
}

TEST_CASE("openai_chat_renderer: a choice without a token has its role and its end") {
    CHECK(deltas_of(chat_request(), {events_of({6060}, FinishReason::stop)}) ==
          std::vector<std::string>{R"({"role":"assistant","content":""})", "{}"});
    const Said said = document_of(chat_request(), {events_of({6060}, FinishReason::stop)});
    CHECK(said.choices[0].text.empty());
    CHECK(said.choices[0].finish_reason == "stop");
}

TEST_CASE("openai_chat_renderer: a call's name comes first and once, then its arguments") {
    OpenAiRequest request = chat_request();
    request.generation.chat_options.tools = {"{}"};
    const Events events = {
        events_of(ids_of(tool_call("{\"x\": \"y\"}") + tool_call("{}")), FinishReason::length)};
    auto deltas = deltas_of(request, events);
    for (const char* index : {"0", "1"})
        deltas = joined_deltas(
            deltas,
            std::string(R"({"tool_calls":[{"index":)") + index + R"(,"function":{"arguments":")",
            "\"}}]}");
    const std::string begin = R"({"tool_calls":[{"index":0,"id":"call_#","type":"function",)"
                              R"("function":{"name":"f","arguments":""}}]})";
    std::string second = begin;
    second[second.find('0')] = '1';
    CHECK(deltas == std::vector<std::string>{
                        R"({"role":"assistant","content":""})", begin,
                        R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\": \"y\"}"}}]})",
                        second, R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})",
                        "{}"});
}

TEST_CASE(
    "openai_chat_renderer: content is null where there is a call and no text, else a string") {
    OpenAiRequest request = chat_request();
    request.generation.chat_options.tools = {"{}"};
    const std::string call =
        bytes_of(request, {events_of(ids_of(tool_call("{}")), FinishReason::length)});
    CHECK(
        has(call, R"("message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[)"));
    const std::string both =
        bytes_of(request, {events_of(ids_of("a " + tool_call("{}")), FinishReason::length)});
    CHECK(has(both, R"("content":"a","refusal":null,"tool_calls":[)"));
    const std::string none = bytes_of(request, {events_of({6060}, FinishReason::stop)});
    CHECK(has(none, R"("content":"","refusal":null},"finish_reason")"));
}

TEST_CASE("openai_chat_renderer: ids of the prompt are the answer's, in the first event") {
    OpenAiRequest request = chat_request();
    request.generation.return_token_ids = true;
    request.generation.n = 2;
    const auto events = events_of(ids_of("a b c"), FinishReason::length);
    const Said document = document_of(request, {events, events});
    CHECK(document.prompt_token_ids == "[5,6,7]");
    CHECK(document.choices[0].prompt_token_ids.empty());
    request.style.stream = true;
    const auto data = data_of(bytes_of(request, {events, events}));
    CHECK(has(data[0], R"(],"prompt_token_ids":[5,6,7])"));
    for (size_t i = 1; i < data.size(); i++) CHECK_FALSE(has(data[i], "prompt_token_ids"));
}

TEST_CASE("openai_chat_renderer: reasoning under both of its names, before the content") {
    const ModelText& model = with_reasoning(ToolFormat::hermes);
    OpenAiRequest request = chat_request();
    const Events events = {
        events_of(ids_of("<think>\nhm \"x\"\n</think>\n\nso"), FinishReason::length)};
    const std::vector<std::vector<int32_t>> prompts = {{5, 6, 7}};
    CHECK(has(bytes_of(request, events, prompts, model),
              R"("content":"so","refusal":null,"reasoning_content":"hm \"x\"",)"
              R"("reasoning":"hm \"x\""},"finish_reason")"));
    request.style.stream = true;
    const std::string stream = bytes_of(request, events, prompts, model);
    CHECK(has(stream, R"("delta":{"role":"assistant","content":""})"));
    CHECK(has(stream, R"("delta":{"reasoning_content":"h)"));  // what is taken at once is random
    CHECK(stream.find("\"reasoning\"") < stream.find(R"("content":"so")"));
    const Said said = read_stream(stream, 1);
    CHECK(said.choices[0].reasoning == "hm \"x\"");
    CHECK(said.choices[0].text == "so");
}

TEST_CASE("openai_chat_renderer: reasoning that nobody asked for is kept back, its tokens count") {
    const ModelText& model = with_reasoning(ToolFormat::hermes);
    OpenAiRequest request = chat_request();
    request.generation.begins_in_reasoning = true;
    request.style.include_reasoning = false;
    const Events events = {events_of(ids_of("hm</think>so"), FinishReason::length)};
    for (const bool is_stream : {false, true}) {
        request.style.stream = request.style.include_usage = is_stream;
        const std::string bytes = bytes_of(request, events, {{5, 6, 7}}, model);
        CHECK_FALSE(has(bytes, "reasoning\":\""));
        CHECK_FALSE(has(bytes, "hm"));
        CHECK_FALSE(has(bytes, "\"delta\":{},\"logprobs\":null,\"finish_reason\":null"));
        const Said said = is_stream ? read_stream(bytes, 1) : read_document(bytes);
        CHECK(said.choices[0].text == "so");
        CHECK(has(said.usage, "\"completion_tokens_details\":{\"reasoning_tokens\":"));
    }
}
