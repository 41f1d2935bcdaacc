#include "tests/bench/load/event.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace qwend::load;

namespace {

/// The data of the events in a stream that comes in pieces of `size` bytes.
std::vector<std::string> split(const std::string& stream, size_t size) {
    EventSplitter splitter;
    std::vector<std::string> found;
    for (size_t at = 0; at < stream.size(); at += size)
        splitter.feed(std::string_view(stream).substr(at, size),
                      [&](std::string_view data) { found.emplace_back(data); });
    return found;
}

}  // namespace

TEST_CASE("event: a token of a completion") {
    // As vLLM writes them: every field, null or not.
    const Event event = read_event(
        R"({"id":"cmpl-1","object":"text_completion","created":1,"model":"m","choices":[{"index":0,)"
        R"("text":" a \"text\": \\","logprobs":null,"finish_reason":null,"stop_reason":null,)"
        R"("token_ids":null,"prompt_token_ids":[1,2]}],"usage":null})");
    CHECK(event.has_choice);
    CHECK(event.has_output);
    CHECK(!event.is_error);
    CHECK(event.text == R"( a \"text\": \\)");
    CHECK(event.token_ids.empty());
    CHECK(event.completion_tokens < 0);
}

TEST_CASE("event: ids of tokens") {
    const Event event = read_event(
        R"({"choices":[{"index":0,"text":"","finish_reason":null,"token_ids":[17,4]}]})");
    CHECK(event.token_ids == "17,4");
    CHECK(event.has_output);
}

TEST_CASE("event: a token whose text is still held back is output") {
    CHECK(read_event(R"({"choices":[{"index":0,"text":"","finish_reason":null}]})").has_output);
    CHECK(read_event(R"({"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]})")
              .has_output);
}

TEST_CASE("event: what opens a chat and what closes it carry no token") {
    for (
        const char* json :
        {R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})",
         R"({"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]})",
         R"({"choices": [{"delta": {"role": "assistant", "content": null}, "finish_reason": null}]})",
         R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})",
         R"({"choices":[{"index":0,"text":"","finish_reason":"length"}]})"}) {
        CAPTURE(json);
        const Event event = read_event(json);
        CHECK(event.has_choice);
        CHECK(!event.has_output);
    }
}

TEST_CASE("event: a role beside text, a last token, reasoning and calls are output") {
    for (
        const char* json :
        {R"({"choices":[{"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]})",
         R"({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "length"}]})",
         R"({"choices":[{"delta":{"role":"assistant","reasoning_content":"Hm"},"finish_reason":null}]})",
         R"({"choices":[{"delta":{"reasoning":"Hm"},"finish_reason":null}]})",
         R"({"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":0}]},"finish_reason":null}]})"}) {
        CAPTURE(json);
        CHECK(read_event(json).has_output);
    }
}

TEST_CASE("event: log probabilities are not its text") {
    const Event event = read_event(
        R"({"choices":[{"delta":{"content":"a"},"logprobs":{"content":[{"token":"b","bytes":[98]}]}}]})");
    CHECK(event.text == "a");
}

TEST_CASE("event: usage") {
    const Event event = read_event(
        R"({"choices":[],"usage":{"prompt_tokens":7,"total_tokens":47,"completion_tokens":40,)"
        R"("prompt_tokens_details":{"cached_tokens": 4}}})");
    CHECK(!event.has_choice);
    CHECK(!event.has_output);
    CHECK(event.prompt_tokens == 7);
    CHECK(event.completion_tokens == 40);
    CHECK(event.cached_tokens == 4);
}

TEST_CASE("event: an error") {
    CHECK(read_event(R"({"error":{"message":"out of memory","code":500}})").is_error);
    CHECK(!read_event(R"({"error":null,"choices":[{"text":"a"}]})").is_error);
    CHECK(!read_event(R"({"choices":[{"text":"\"error\":{"}]})").is_error);
}

TEST_CASE("event: what is cut off or no JSON at all does no harm") {
    const std::string whole =
        R"({"choices": [{"text":"a\\","token_ids":[1,2],"finish_reason":null}],"usage":{"prompt_tokens":1}})";
    for (size_t n = 0; n <= whole.size(); n++) read_event(std::string_view(whole).substr(0, n));
    CHECK(!read_event("{\"\\").has_choice);
}

TEST_CASE("event: streams are split wherever they are cut") {
    const std::string stream =
        ": a comment\n\ndata: {\"a\":1}\n\nevent: x\ndata:{\"b\":2}\n\ndata: {\"c\":3}\r\n\r\n"
        "data: [DONE]\n\n";
    for (size_t size = 1; size <= stream.size(); size++) {
        CAPTURE(size);
        CHECK(split(stream, size) ==
              std::vector<std::string>{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}\r"});
    }
}
