// Items of an output as JSON.

#include "daemon/api/responses/output_item.h"

#include <doctest/doctest.h>

using namespace qwend;

namespace {

std::string item_json(const OutputItem& item, std::string_view status) {
    std::string out;
    append_item(out, item, status);
    return out;
}

OutputItem call(OutputItem::Kind kind) {
    OutputItem item;
    item.kind = kind;
    item.id = "i";
    item.call_id = "c";
    item.name = "na\"me";
    item.text = R"({\"a\":1})";
    return item;
}

}  // namespace

TEST_CASE("responses_output_item: a message has no content when it begins") {
    OutputItem item;
    item.id = "i";
    CHECK(item_json(item, "in_progress") ==
          R"({"id":"i","type":"message","role":"assistant","content":[],"status":"in_progress"})");
    item.text = R"(\"x\")";
    CHECK(
        item_json(item, "completed") ==
        R"({"id":"i","type":"message","role":"assistant","content":[)"
        R"({"type":"output_text","annotations":[],"logprobs":[],"text":"\"x\""}],"status":"completed"})");
}

TEST_CASE("responses_output_item: reasoning has a summary, of which there is none") {
    OutputItem item;
    item.kind = OutputItem::Kind::reasoning;
    item.id = "i";
    CHECK(item_json(item, "in_progress") ==
          R"({"id":"i","type":"reasoning","summary":[],"content":[],"status":"in_progress"})");
    item.text = "hm";
    CHECK(item_json(item, "completed") ==
          R"({"id":"i","type":"reasoning","summary":[],"content":[)"
          R"({"type":"reasoning_text","text":"hm"}],"status":"completed"})");
}

TEST_CASE("responses_output_item: a call, with its namespace if it has one") {
    OutputItem item = call(OutputItem::Kind::function_call);
    CHECK(item_json(item, "completed") ==
          R"({"id":"i","type":"function_call","call_id":"c",)"
          R"("name":"na\"me","arguments":"{\"a\":1}","status":"completed"})");
    item.name_space = "n";
    CHECK(item_json(item, "completed").find(R"("namespace":"n")") != std::string::npos);
    CHECK(item_json(call(OutputItem::Kind::custom_tool_call), "incomplete") ==
          R"({"id":"i","type":"custom_tool_call","call_id":"c",)"
          R"("name":"na\"me","input":"{\"a\":1}","status":"incomplete"})");
}

TEST_CASE("responses_output_item: a custom tool's input is the string in its arguments") {
    CHECK(custom_input(R"({"input": "a\nb"})") == "a\nb");
    for (const char* other :
         {R"({"patch": "x"})", R"({"input": 5})", "[1]", "{\"input\": \"cut", ""})
        CHECK(custom_input(other) == other);
}

TEST_CASE("responses_output_item: arguments that the end cut are not all of them") {
    OutputItem item;
    item.arguments = "{\"a\": 1}";
    CHECK(has_all_arguments(item));
    item.arguments = "{\"a\": ";
    CHECK_FALSE(has_all_arguments(item));
}
