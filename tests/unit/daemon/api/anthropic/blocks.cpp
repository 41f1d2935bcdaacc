// Content blocks, as events and as elements.

#include "daemon/api/anthropic/blocks.h"

#include <doctest/doctest.h>

#include <string>

using namespace qwend;

TEST_CASE("anthropic_blocks: events of a block, whose fields are there from its start") {
    BlockWriter blocks(true);
    std::string out;
    CHECK(blocks.is_empty());
    blocks.add_text(out, kTextBlock, "a\n");
    blocks.add_text(out, kTextBlock, "");
    blocks.add_text(out, kTextBlock, "b");
    blocks.open(out, kToolUseBlock, R"(,"id":"1","name":"f")");
    blocks.add(out, "{\"x\"");
    blocks.add(out, ":1}");
    blocks.close(out);
    blocks.close(out);
    CHECK_FALSE(blocks.is_empty());
    CHECK(out ==
          "event: content_block_start\n"
          R"(data: {"type":"content_block_start","index":0,)"
          R"("content_block":{"type":"text","text":""}})"
          "\n\nevent: content_block_delta\n"
          R"(data: {"type":"content_block_delta","index":0,)"
          R"("delta":{"type":"text_delta","text":"a\n"}})"
          "\n\nevent: content_block_delta\n"
          R"(data: {"type":"content_block_delta","index":0,)"
          R"("delta":{"type":"text_delta","text":"b"}})"
          "\n\nevent: content_block_stop\n"
          R"(data: {"type":"content_block_stop","index":0})"
          "\n\nevent: content_block_start\n"
          R"(data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use",)"
          R"("id":"1","name":"f","input":{}}})"
          "\n\nevent: content_block_delta\n"
          R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta",)"
          R"("partial_json":"{\"x\""}})"
          "\n\nevent: content_block_delta\n"
          R"(data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta",)"
          R"("partial_json":":1}"}})"
          "\n\nevent: content_block_stop\n"
          R"(data: {"type":"content_block_stop","index":1})"
          "\n\n");
}

TEST_CASE("anthropic_blocks: elements of a document") {
    BlockWriter blocks(false);
    std::string out;
    blocks.add_text(out, kTextBlock, "a\n");
    blocks.add_text(out, kTextBlock, "\"b\"");
    blocks.open(out, kToolUseBlock, R"(,"id":"1")");
    blocks.add(out, " {\"x\": 1} ");
    blocks.open(out, kToolUseBlock);
    blocks.add_text(out, kTextBlock, "c");
    blocks.open(out, kTextBlock);
    blocks.close(out);
    CHECK(out ==
          R"({"type":"text","text":"a\n\"b\""},{"type":"tool_use","id":"1","input":{"x": 1}},)"
          R"({"type":"tool_use","input":{}},{"type":"text","text":"c"},{"type":"text","text":""})");
}

TEST_CASE("anthropic_blocks: a thought is signed where it ends") {
    for (const bool is_stream : {false, true}) {
        BlockWriter blocks(is_stream);
        std::string out;
        blocks.add_text(out, kThinkingBlock, "hm");
        const size_t thought = out.size();
        blocks.add_text(out, kTextBlock, "a");
        CHECK(out.find("signature_delta") ==
              (is_stream ? out.find("signature_delta", thought) : std::string::npos));
        CHECK(out.starts_with(is_stream
                                  ? "event: content_block_start\n"
                                  : R"({"type":"thinking","thinking":"hm","signature":""},)"));
    }
}

TEST_CASE("anthropic_blocks: what a model wrote in place of an object is none in a document") {
    BlockWriter blocks(false);
    std::string out;
    blocks.open(out, kToolUseBlock);
    blocks.add(out, "{\"x\": [}");
    blocks.close(out);
    CHECK(out == R"({"type":"tool_use","input":{}})");
}
