#pragma once

#include <doctest/doctest.h>
#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qwend {

// Reads answers of Anthropic's dialect as its SDKs do: strictly.

namespace anthropic_said {

namespace dom = simdjson::dom;

struct Event {
    std::string name, data;
};

/// A stream's events, each of which has two lines.
inline std::vector<Event> events_of(const std::string& bytes) {
    std::vector<Event> events;
    for (size_t at = 0, end; at < bytes.size(); at = end + 2) {
        end = bytes.find("\n\n", at);
        REQUIRE(end != std::string::npos);
        const std::string event = bytes.substr(at, end - at);
        const size_t line = event.find('\n');
        REQUIRE(line != std::string::npos);
        REQUIRE(event.starts_with("event: "));
        REQUIRE(event.substr(line).starts_with("\ndata: "));
        events.push_back({event.substr(7, line - 7), event.substr(line + 7)});
    }
    return events;
}

struct Block {
    std::string type, content, name;  // the content of a call is its JSON
};

/// All that an answer says.
struct Said {
    std::vector<Block> blocks;
    std::string stop_reason, stop_sequence, usage, model;
    bool is_whole = false;
};

inline std::string text_of(dom::element value) {
    return std::string(value.get_string().value());
}

inline Block block_of(dom::element json) {
    Block block{text_of(json["type"].value()), {}, {}};
    if (block.type == "text" || block.type == "thinking") {
        block.content = text_of(json[block.type].value());
        if (block.type == "thinking") CHECK(json["signature"].is_string());
    } else {
        REQUIRE(block.type == "tool_use");
        CHECK(text_of(json["id"].value()).starts_with("toolu_"));
        block.name = text_of(json["name"].value());
        block.content = simdjson::minify(json["input"].get_object().value());
    }
    return block;
}

/// What only a message that is complete has.
inline void add_end(Said& said, dom::element json, dom::element usage) {
    said.stop_reason = simdjson::minify(json["stop_reason"].value());
    said.stop_sequence = simdjson::minify(json["stop_sequence"].value());
    said.usage = simdjson::minify(usage);
}

inline void check_message(Said& said, dom::element message) {
    CHECK(text_of(message["id"].value()).starts_with("msg_"));
    CHECK(text_of(message["type"].value()) == "message");
    CHECK(text_of(message["role"].value()) == "assistant");
    said.model = text_of(message["model"].value());
    CHECK(message["usage"]["input_tokens"].get_uint64().error() == simdjson::SUCCESS);
    CHECK(message["usage"]["output_tokens"].get_uint64().error() == simdjson::SUCCESS);
}

inline Said read_document(const std::string& bytes) {
    Said said;
    dom::parser parser;
    dom::element document;
    if (parser.parse(bytes).get(document) != simdjson::SUCCESS) return said;
    said.is_whole = true;
    check_message(said, document);
    const dom::array content = document["content"].get_array().value();
    for (dom::element json : content) said.blocks.push_back(block_of(json));
    add_end(said, document, document["usage"].value());
    return said;
}

/// Deltas by the type of the block they belong to, and the member with their content.
inline std::pair<const char*, const char*> delta_of(const std::string& type) {
    if (type == "text") return {"text_delta", "text"};
    if (type == "thinking") return {"thinking_delta", "thinking"};
    return {"input_json_delta", "partial_json"};
}

inline Said read_stream(const std::string& bytes) {
    Said said;
    bool began = false, is_open = false, is_signed = false, has_end = false;
    for (const Event& event : events_of(bytes)) {
        dom::parser parser;
        dom::element json;
        CAPTURE(event.data);
        REQUIRE(parser.parse(event.data).get(json) == simdjson::SUCCESS);
        REQUIRE(text_of(json["type"].value()) == event.name);
        if (event.name == "ping" || event.name == "error") continue;
        REQUIRE_FALSE(said.is_whole);
        REQUIRE(began == (event.name != "message_start"));  // first, and once
        if (event.name == "message_start") {
            began = true;
            const dom::element message = json["message"].value();
            check_message(said, message);
            CHECK(message["content"].get_array().value().size() == 0);
            CHECK(message["stop_reason"].is_null());
            CHECK(message["stop_sequence"].is_null());
        } else if (event.name == "message_delta") {
            REQUIRE_FALSE(is_open);
            has_end = true;
            add_end(said, json["delta"].value(), json["usage"].value());
        } else if (event.name == "message_stop") {
            REQUIRE(has_end);
            said.is_whole = true;
        } else {  // of a block, one of which is open at a time
            const size_t index = json["index"].get_uint64().value();
            REQUIRE_FALSE(has_end);
            if (event.name == "content_block_start") {
                REQUIRE_FALSE(is_open);
                REQUIRE(index == said.blocks.size());
                said.blocks.push_back(block_of(json["content_block"].value()));
                CHECK((said.blocks[index].content == "" || said.blocks[index].content == "{}"));
                said.blocks[index].content.clear();
                is_signed = false;
            } else if (event.name == "content_block_delta") {
                REQUIRE(is_open);
                REQUIRE(index + 1 == said.blocks.size());
                const auto [type, member] = delta_of(said.blocks[index].type);
                const dom::element delta = json["delta"].value();
                if (text_of(delta["type"].value()) == "signature_delta") {
                    CHECK(said.blocks[index].type == "thinking");
                    CHECK_FALSE(std::exchange(is_signed, true));
                    CHECK(delta["signature"].is_string());
                    continue;
                }
                CHECK_FALSE(is_signed);  // nothing follows it
                CHECK(text_of(delta["type"].value()) == type);
                said.blocks[index].content += text_of(delta[member].value());
            } else {
                REQUIRE(event.name == "content_block_stop");
                REQUIRE(index + 1 == said.blocks.size());
                CHECK(is_signed == (said.blocks[index].type == "thinking"));
            }
            is_open = event.name != "content_block_stop";
        }
    }
    return said;
}

}  // namespace anthropic_said

}  // namespace qwend
