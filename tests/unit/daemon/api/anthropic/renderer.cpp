// Messages, as a stream and as a document.

#include "daemon/api/anthropic/renderer.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/api/answer_body.h"
#include "tests/unit/daemon/api/anthropic/said.h"
#include "tests/unit/daemon/api/renderer_conformance.h"
#include "tests/unit/daemon/api/token_events.h"

using namespace qwend;
using namespace qwend::anthropic_said;

namespace {

struct Asked {
    Generation generation;
    AnthropicStyle style{"m", "1", false, 100};

    Asked() { generation.max_tokens = 100; }
    /// What comes of these tokens; their bytes are taken after each.
    std::string bytes(const std::vector<int32_t>& ids, FinishReason finish,
                      const ModelText& model = demo()) const {
        Generation copy = generation;
        copy.whole_calls = !style.stream;
        AnswerBody body(model, std::move(copy), {{5, 6, 7}}, anthropic_renderer(style));
        std::string out;
        for (const TokenEvent& event : qwend::events_of(ids, finish)) {
            if (!body.choices().done()) body.on_event(0, event);
            body.take(out);
        }
        while (body.behind()) body.take(out);
        return out;
    }
    Said document(const std::string& text, FinishReason finish) const {
        return read_document(bytes(ids_of(text), finish));
    }
    Said stream(const std::string& text, FinishReason finish) {
        style.stream = true;
        const Said said = read_stream(bytes(ids_of(text), finish));
        style.stream = false;
        return said;
    }
};

Asked with_tools() {
    Asked asked;
    asked.generation.chat_options.tools = {"{}"};
    return asked;
}

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

std::string words_of(const Said& said) {
    std::string words = said.model + said.stop_reason + said.stop_sequence + said.usage;
    for (const Block& block : said.blocks) {
        dom::parser parser;
        const bool is_call = block.type == "tool_use";
        words += "\n" + block.type + block.name;
        words += is_call ? simdjson::minify(parser.parse(block.content).value()) : block.content;
    }
    return words;
}

/// The last of a message without its text: why it ended, and on what.
std::string end_of(const Said& said) {
    return said.stop_reason + said.stop_sequence;
}

}  // namespace

TEST_CASE("anthropic_renderer: keeps the contract of renderers") {
    Dialect dialect;
    dialect.is_chat = true;
    dialect.has_one_choice = true;
    dialect.make = [](bool is_stream) { return anthropic_renderer({"m", "1", is_stream, 100}); };
    dialect.read = [](const std::string& bytes, bool is_stream, int) {
        return words_of(is_stream ? read_stream(bytes) : read_document(bytes));
    };
    dialect.is_whole = [](const std::string& bytes, bool is_stream) {
        return is_stream ? read_stream(bytes).is_whole : read_document(bytes).is_whole;
    };
    CHECK(fault_of(dialect, 300) == "");
}

TEST_CASE("anthropic_renderer: a document, to the byte") {
    Asked asked;
    asked.style = {"m \"1\"", "id-1", false, 100};
    CHECK(asked.bytes(ids_of("a \"b\" 🙂"), FinishReason::length) ==
          R"({"id":"msg_id-1","type":"message","role":"assistant","model":"m \"1\"","content":)"
          R"([{"type":"text","text":"a \"b\" 🙂"}],"stop_reason":"max_tokens",)"
          R"("stop_sequence":null,)"
          R"("usage":{"input_tokens":0,"cache_creation_input_tokens":0,)"
          R"("cache_read_input_tokens":3,"output_tokens":)" +
              std::to_string(ids_of("a \"b\" 🙂").size()) + "}}");
}

TEST_CASE("anthropic_renderer: the events of a stream, to the byte") {
    Asked asked;
    asked.style.stream = true;
    const std::vector<int32_t> ids = ids_of("a");
    REQUIRE(ids.size() == 1);
    const std::string usage =
        R"({"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,)"
        R"("output_tokens":1})";
    CHECK(asked.bytes(ids, FinishReason::length) ==
          "event: message_start\n"
          R"(data: {"type":"message_start","message":{"id":"msg_1","type":"message",)"
          R"("role":"assistant","model":"m","content":[],"stop_reason":null,)"
          R"("stop_sequence":null,"usage":)" +
              usage +
              "}}\n\n"
              "event: content_block_start\n"
              R"(data: {"type":"content_block_start","index":0,)"
              R"("content_block":{"type":"text","text":""}})"
              "\n\nevent: content_block_delta\n"
              R"(data: {"type":"content_block_delta","index":0,)"
              R"("delta":{"type":"text_delta","text":"a"}})"
              "\n\nevent: content_block_stop\n"
              R"(data: {"type":"content_block_stop","index":0})"
              "\n\nevent: message_delta\n"
              R"(data: {"type":"message_delta","delta":{"stop_reason":"max_tokens",)"
              R"("stop_sequence":null},"usage":)" +
              usage +
              "}\n\n"
              "event: message_stop\n"
              "data: {\"type\":\"message_stop\"}\n\n");
}

TEST_CASE("anthropic_renderer: a message without a word has an empty block") {
    Asked asked;
    for (const bool is_stream : {false, true}) {
        asked.style.stream = is_stream;
        const std::string bytes = asked.bytes({6060}, FinishReason::stop);
        const Said said = is_stream ? read_stream(bytes) : read_document(bytes);
        REQUIRE(said.blocks.size() == 1);
        CHECK(said.blocks[0].type == "text");
        CHECK(said.blocks[0].content.empty());
        CHECK(end_of(said) == "\"end_turn\"null");
    }
}

TEST_CASE("anthropic_renderer: calls are blocks of their own, text around them others") {
    Asked asked = with_tools();
    const std::string text =
        "Let me see." + tool_call("{\"x\": \"y\"}") + "\n" + tool_call("{}") + "so";
    for (const Said& said :
         {asked.document(text, FinishReason::stop), asked.stream(text + ".", FinishReason::stop)}) {
        REQUIRE(said.blocks.size() >= 3);
        CHECK(said.blocks[0].content == "Let me see.");
        CHECK(said.blocks[1].type == "tool_use");
        CHECK(said.blocks[1].name == "f");
        CHECK(said.blocks[2].type == "tool_use");
        CHECK(said.blocks[2].content == "{}");
        CHECK(end_of(said) == "\"tool_use\"null");
    }
    CHECK(asked.document(tool_call("{}") + "x", FinishReason::stop).blocks[0].type == "tool_use");
    // The pieces come as they are generated.
    asked.style.stream = true;
    size_t n_deltas = 0;
    for (const Event& event :
         events_of(asked.bytes(ids_of(tool_call("{\"city\": \"Paris\"}")), FinishReason::stop)))
        n_deltas += event.data.find("input_json_delta") != std::string::npos;
    CHECK(n_deltas > 2);
}

TEST_CASE("anthropic_renderer: thoughts are a signed block before the text") {
    const ModelText& model = with_reasoning(ToolFormat::hermes);
    Asked asked;
    const std::vector<int32_t> ids = ids_of("<think>\nhm, \"so\"\n</think>\n\nYes");
    const std::string document = asked.bytes(ids, FinishReason::length, model);
    CHECK(has(document, R"("content":[{"type":"thinking","thinking":"hm, \"so\"","signature":""},)"
                        R"({"type":"text","text":"Yes"}])"));
    asked.style.stream = true;
    const std::string stream = asked.bytes(ids, FinishReason::length, model);
    CHECK(has(stream, R"("content_block":{"type":"thinking","thinking":"","signature":""})"));
    CHECK(has(stream, R"({"type":"content_block_delta","index":0,"delta":{"type":)"
                      R"("signature_delta","signature":""}})"
                      "\n\nevent: content_block_stop\n"));
    CHECK(words_of(read_stream(stream)) == words_of(read_document(document)));
    // One that the end cuts is all there is.
    asked.style.stream = false;
    const Said cut = read_document(asked.bytes(ids_of("<think>\nhm"), FinishReason::length, model));
    REQUIRE(cut.blocks.size() == 1);
    CHECK(cut.blocks[0].type == "thinking");
}

TEST_CASE("anthropic_renderer: why it ended, in the order in which clients go by it") {
    Asked asked = with_tools();
    asked.generation.stops = {"STOP"};
    const std::string call = tool_call("{}");
    const std::string cut = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [";
    for (const bool is_stream : {false, true}) {
        CAPTURE(is_stream);
        const auto end = [&](const std::string& text, FinishReason finish) {
            return end_of(is_stream ? asked.stream(text, finish) : asked.document(text, finish));
        };
        CHECK(end("a.", FinishReason::length) == "\"max_tokens\"null");
        CHECK(end(call, FinishReason::length) == "\"max_tokens\"null");
        CHECK(end(call + "\n.", FinishReason::stop) == "\"tool_use\"null");
        CHECK(end("a STOP b", FinishReason::length) == "\"stop_sequence\"\"STOP\"");
        CHECK(end(call + " a STOP", FinishReason::length) == "\"tool_use\"null");
        CHECK(end(cut + "STOP", FinishReason::length) == "\"stop_sequence\"\"STOP\"");
        CHECK(end(cut, FinishReason::length) == "\"max_tokens\"null");
        CHECK(end(cut + " .", FinishReason::stop) == "\"end_turn\"null");
        CHECK(end("a.", FinishReason::stop) == "\"end_turn\"null");
    }
}

TEST_CASE("anthropic_renderer: a context that ends before max_tokens is called so") {
    Asked asked;
    asked.style.max_tokens = 32000;
    CHECK(end_of(asked.document("a.", FinishReason::length)) ==
          "\"model_context_window_exceeded\"null");
    CHECK(end_of(asked.document("a.", FinishReason::stop)) == "\"end_turn\"null");
}

TEST_CASE("anthropic_renderer: between events a ping, and at a fault an event that says it") {
    const Choices choices(demo(), Generation(), {{1}});
    const auto renderer = anthropic_renderer({"m", "id-1", true, 100})(choices);
    CHECK(renderer->form.ping == "event: ping\ndata: {\"type\":\"ping\"}\n\n");
    CHECK(std::string(renderer->form.content_type).starts_with("text/event-stream"));
    CHECK(renderer->error_event({503, "unavailable_error", "", "", "the engine failed"}) ==
          "event: error\ndata: "
          R"({"type":"error","error":{"type":"overloaded_error","message":"the engine failed"},)"
          R"("request_id":"id-1"})"
          "\n\n");
    CHECK(anthropic_renderer({"m", "1", false, 100})(choices)->form.ping.empty());
}
