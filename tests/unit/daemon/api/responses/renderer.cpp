// Responses: the exact events of a stream, what a document has, and that both say the same.

#include "daemon/api/responses/renderer.h"

#include "tests/unit/daemon/api/renderer_conformance.h"
#include "tests/unit/daemon/api/responses/rendered.h"

using namespace qwend;

namespace {

/// The events in short: a response's status and output, else the data without type and number.
std::vector<std::string> in_short(const std::string& bytes) {
    std::vector<std::string> out;
    for (const StreamEvent& event : events_in(bytes)) {
        std::string data = anonymous(event.data);
        dom::parser parser;
        dom::element json, response;
        REQUIRE(parser.parse(data).get(json) == simdjson::SUCCESS);
        if (!json["response"].get(response))
            data = minified(response["status"].value()) + minified(response["output"].value());
        else
            data.erase(0, data.find(',', data.find("sequence_number")) + 1).pop_back();
        out.push_back(event.name.substr(9) + " " + data);
    }
    return out;
}

using Lines = std::vector<std::string>;

std::string part(const std::string& text) {
    return R"({"type":"output_text","annotations":[],"logprobs":[],"text":")" + text + "\"}";
}

std::string message(const std::string& id, const std::string& status, const std::string& content) {
    return R"({"id":")" + id + R"(","type":"message","role":"assistant","content":[)" + content +
           R"(],"status":")" + status + "\"}";
}

dom::element parsed(dom::parser& parser, const std::string& bytes) {
    dom::element document;
    REQUIRE(parser.parse(bytes).get(document) == simdjson::SUCCESS);
    return document;
}

/// What the items of a response's output say, and with which logprobs.
std::string words_of(dom::element output) {
    std::string words;
    const dom::array items = output.get_array().value();
    for (dom::element item : items) {
        words += std::string(item["type"].get_string().value()) + ":";
        dom::element content;
        if (!item["content"].get(content)) {
            words += minified(content.at(0)["text"].value());
        } else {
            words += std::string(item["name"].get_string().value()) +
                     minified(item["arguments"].value());
        }
        words += std::string(item["status"].get_string().value()) + ";";
    }
    return words;
}

std::string logprobs_of(dom::element list) {
    const std::string json = minified(list);
    return json.size() == 2 ? "" : json.substr(1, json.size() - 2) + ",";
}

std::string read_response(const std::string& bytes, bool is_stream) {
    dom::parser parser;
    std::string logprobs;
    if (!is_stream) {
        const dom::element document = parsed(parser, bytes);
        const dom::array items = document["output"].get_array().value();
        for (dom::element item : items) {
            dom::element content, list;
            if (!item["content"].get(content) && !content.at(0)["logprobs"].get(list))
                logprobs += logprobs_of(list);
        }
        return minified(document["status"].value()) + words_of(document["output"].value()) +
               minified(document["usage"].value()) + logprobs;
    }
    const auto events = events_in(bytes);
    std::string text, arguments, said;
    for (const StreamEvent& event : events) {
        const dom::element data = parsed(parser, event.data);
        if (event.name == "response.output_text.delta")
            logprobs += logprobs_of(data["logprobs"].value());
    }
    const dom::element last = parsed(parser, events.back().data)["response"].value();
    return minified(last["status"].value()) + words_of(last["output"].value()) +
           minified(last["usage"].value()) + logprobs;
}

bool is_whole(const std::string& bytes, bool is_stream) {
    dom::parser parser;
    if (!is_stream) return parser.parse(bytes).error() == simdjson::SUCCESS;
    for (const char* end : {"completed", "incomplete", "failed"})
        if (bytes.find(std::string("event: response.") + end + "\n") != std::string::npos)
            return true;
    return false;
}

}  // namespace

TEST_CASE("responses_renderer: it keeps the contract of renderers") {
    Dialect dialect;
    dialect.make = [](bool is_stream) {
        ResponseStyle style;
        style.stream = is_stream;
        return response_renderer(style, std::make_shared<ResponseStore>(1 << 20));
    };
    dialect.read = [](const std::string& bytes, bool is_stream, int) {
        return read_response(bytes, is_stream);
    };
    dialect.is_whole = is_whole;
    dialect.is_chat = true;
    dialect.has_one_choice = true;
    CHECK(fault_of(dialect, 200) == "");
}

TEST_CASE("responses_renderer: the events of a text") {
    Response response;
    response.style.stream = true;
    std::vector<TokenEvent> events = events_of(ids_of("Hi \"you\""), FinishReason::none);
    events.push_back(events_of({6060}, FinishReason::stop)[0]);
    AnswerBody body = response.body();
    for (const TokenEvent& event : events) body.on_event(0, event);
    std::string bytes;
    body.take(bytes);
    const std::string text = R"(Hi \"you\")", at = R"("item_id":"msg_#0000","output_index":0,)"
                                                   R"("content_index":0,)";
    CHECK(in_short(bytes) ==
          Lines{R"(created "in_progress"[])", R"(in_progress "in_progress"[])",
                R"(output_item.added "output_index":0,"item":)" +
                    message("msg_#0000", "in_progress", ""),
                "content_part.added " + at + "\"part\":" + part(""),
                "output_text.delta " + at + R"("delta":")" + text + R"(","logprobs":[])",
                "output_text.done " + at + R"("text":")" + text + R"(","logprobs":[])",
                "content_part.done " + at + "\"part\":" + part(text),
                R"(output_item.done "output_index":0,"item":)" +
                    message("msg_#0000", "completed", part(text)),
                R"(completed "completed"[)" + message("msg_#0000", "completed", part(text)) + "]"});
}

TEST_CASE("responses_renderer: the events of calls, between text") {
    Response response = with_tools();
    response.style.stream = true;
    const auto lines = in_short(response.bytes(
        "a" + tool_call("{\"x\": 1}") + "b" + tool_call("{}"), FinishReason::length));
    std::vector<std::string> names;
    for (const std::string& line : lines) {
        const std::string name = line.substr(0, line.find(' '));
        if (names.empty() || names.back() != name) names.push_back(name);
    }
    const Lines text = {"output_item.added", "content_part.added", "output_text.delta",
                        "output_text.done",  "content_part.done",  "output_item.done"};
    const Lines call = {"output_item.added", "function_call_arguments.delta",
                        "function_call_arguments.done", "output_item.done"};
    Lines expected = {"created", "in_progress"};
    for (const Lines* more : {&text, &call, &text, &call})
        expected.insert(expected.end(), more->begin(), more->end());
    expected.push_back("incomplete");
    CHECK(names == expected);
    const std::string item =
        R"({"id":"fc_#0001","type":"function_call",)"
        R"("call_id":"call_","name":"f","arguments":"{\"x\": 1}","status":"completed"})";
    CHECK(std::count(lines.begin(), lines.end(),
                     R"(output_item.done "output_index":1,"item":)" + item) == 1);
    CHECK(lines.back().find(item) != std::string::npos);
}

TEST_CASE("responses_renderer: reasoning is an item before the message") {
    static const ModelText thinks = [] {
        ModelText made = std::move(*load_demo_text());
        made.output_format = {ReasoningFormat::think, ToolFormat::hermes};
        return made;
    }();
    Response response;
    response.model = &thinks;
    response.generation.sampling.n_logprobs = 0;
    const auto events = events_of(ids_of("<think>\nhm\n</think>\n\nHi"), FinishReason::length);
    const std::string reasoning = R"({"id":"rs_#0000","type":"reasoning","summary":[],"content":[)"
                                  R"({"type":"reasoning_text","text":"hm"}],"status":"completed"})";
    const std::string document = anonymous(response.bytes(events));
    CHECK(document.find("\"output\":[" + reasoning + R"(,{"id":"msg_#0001","type":"message")") !=
          std::string::npos);
    CHECK(document.find(R"({"token":"Hi",)") != std::string::npos);
    CHECK(document.find(R"({"token":"m",)") == std::string::npos);
    CHECK(document.find(R"("reasoning_tokens":0)") == std::string::npos);
    response.style.stream = true;
    const auto lines = in_short(response.bytes(events));
    const std::string at = R"("item_id":"rs_#0000","output_index":0,"content_index":0,)";
    const std::string part = R"("part":{"type":"reasoning_text","text":")";
    REQUIRE(lines.size() > 9);
    CHECK(lines[3] == "content_part.added " + at + part + "\"}");
    CHECK(lines[4] == "reasoning_text.delta " + at + R"("delta":"h")");
    CHECK(lines[5] == "reasoning_text.delta " + at + R"("delta":"m")");
    CHECK(lines[6] == "reasoning_text.done " + at + R"("text":"hm")");
    CHECK(lines[7] == "content_part.done " + at + part + "hm\"}");
    CHECK(lines[8] == R"(output_item.done "output_index":0,"item":)" + reasoning);
    CHECK(lines[9].starts_with(R"(output_item.added "output_index":1,"item":{"id":"msg_#0001")"));
}

TEST_CASE("responses_renderer: a document has what the object needs, in one piece") {
    Response response;
    response.style.echo = R"(,"metadata":{})";
    response.style.model = "m";
    CHECK(anonymous(response.bytes("Hi", FinishReason::length)) ==
          R"({"id":"resp_","object":"response","created_at":0,"model":"m","metadata":{},"output":[)"
          R"({"id":"msg_#0000","type":"message","role":"assistant","content":[{"type":)"
          R"("output_text","annotations":[],"logprobs":[],"text":"Hi"}],"status":"incomplete"}],)"
          R"("status":"incomplete","error":null,"incomplete_details":{"reason":)"
          R"("max_output_tokens"},"usage":{"input_tokens":3,"input_tokens_details":)"
          R"({"cached_tokens":3,"cache_write_tokens":0},"output_tokens":1,)"
          R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":4}})");
}

TEST_CASE("responses_renderer: a tool comes back by the name its client gave it") {
    Response response = with_tools({{"f", ResponseTool::Kind::function, "mcp__git", "log"}});
    for (const bool stream : {false, true}) {
        response.style.stream = stream;
        const std::string bytes = response.bytes(tool_call("{}"), FinishReason::length);
        CHECK(bytes.find(R"("name":"log","namespace":"mcp__git","arguments":"{}")") !=
              std::string::npos);
    }
}

TEST_CASE("responses_renderer: a tool that takes text gets it, and nothing of the JSON around it") {
    Response response = with_tools({{"f", ResponseTool::Kind::custom, "", "patch"}});
    const std::string text = tool_call(R"({"input": "a\n\"b\""})");
    const std::string item =
        R"({"id":"ctc_#0000","type":"custom_tool_call",)"
        R"("call_id":"call_","name":"patch","input":"a\n\"b\"","status":"completed"})";
    CHECK(anonymous(response.bytes(text, FinishReason::length)).find(item) != std::string::npos);
    response.style.stream = true;
    const auto lines = in_short(response.bytes(text, FinishReason::length));
    const std::string at = R"("item_id":"ctc_#0000","output_index":0,)";
    REQUIRE(lines.size() == 7);
    CHECK(lines[3] == "custom_tool_call_input.delta " + at + R"("delta":"a\n\"b\"")");
    CHECK(lines[4] == "custom_tool_call_input.done " + at + R"("input":"a\n\"b\"")");
    CHECK(lines[5] == R"(output_item.done "output_index":0,"item":)" + item);
}

TEST_CASE("responses_renderer: an answer of nothing is a message of nothing") {
    Response response;
    for (const bool stream : {false, true}) {
        response.style.stream = stream;
        const std::string bytes = response.bytes(events_of({6060}, FinishReason::stop));
        CHECK(read_response(bytes, stream).starts_with(R"("completed"message:""completed;)"));
    }
}

TEST_CASE("responses_renderer: how it ends") {
    for (const bool stream : {false, true}) {
        Response response = with_tools();
        response.style.stream = stream;
        const auto ends = [&](const std::string& text, FinishReason finish) {
            return read_response(response.bytes(text, finish), stream);
        };
        CHECK(ends("a", FinishReason::length).starts_with(R"("incomplete"message:"a"incomplete;)"));
        CHECK(ends("a", FinishReason::abort).starts_with(R"("failed"message:"a"incomplete;)"));
        const std::string bytes = response.bytes("a", FinishReason::abort);
        CHECK(bytes.find(R"("error":{"code":"server_error","message":)") != std::string::npos);
    }
    Response cut = with_tools();
    cut.style.stream = true;
    CHECK(read_response(
              cut.bytes(R"(<tool_call>{"name": "f", "arguments": {"x": )", FinishReason::length),
              true)
              .starts_with(R"("incomplete"function_call:f"{\"x\": "incomplete;)"));
}

TEST_CASE("responses_renderer: what fails says so, with all that came before") {
    Response response;
    response.style.stream = true;
    AnswerBody body = response.body();
    const ApiError error{503, "unavailable_error", "", "", "on fire"};
    CHECK(in_short(body.error_event(error)) == Lines{R"(created "in_progress"[])",
                                                     R"(in_progress "in_progress"[])",
                                                     R"(failed "failed"[])"});
    AnswerBody begun = response.body();
    for (const TokenEvent& event : events_of(ids_of("a b"), FinishReason::none))
        begun.on_event(0, event);
    std::string bytes;
    begun.take(bytes);
    const auto events = events_in(bytes + begun.error_event(error));
    CHECK(events.back().name == "response.failed");
    CHECK(events.back().data.find(R"("error":{"code":"server_error","message":"on fire"})") !=
          std::string::npos);
}

TEST_CASE("responses_renderer: what is complete is kept, as the stream's last event has it") {
    Response response;
    response.style.previous_id = "resp_before";
    response.style.input = std::make_shared<std::string>("\"hi\"");
    for (const bool stream : {false, true}) {
        response.style.stream = stream;
        const std::string bytes = response.bytes("a b", FinishReason::length);
        const std::string last = stream ? events_in(bytes).back().data : bytes;
        const size_t at = last.find("\"resp_") + 1;
        const auto kept = response.store->find(last.substr(at, 37));
        REQUIRE(kept);
        CHECK(kept->previous_id == "resp_before");
        CHECK(*kept->input == "\"hi\"");
        CHECK(read_response(kept->object(), false) == read_response(bytes, stream));
        if (stream) CHECK(last.ends_with("\"response\":" + kept->object() + "}"));
    }
    response.style.store = false;
    response.store = std::make_shared<ResponseStore>(1 << 20);
    response.bytes("a b", FinishReason::length);
    CHECK(response.store->n_bytes() == 0);
}

TEST_CASE("responses_renderer: logprobs are those of text, and not of calls") {
    Response response = with_tools();
    response.generation.sampling.n_logprobs = 1;
    const auto events =
        events_of(ids_of("Hello" + tool_call("{\"x\": \"yyyyyy\"}")), FinishReason::length, 1);
    const std::string document = response.bytes(events);
    dom::parser parser;
    const dom::element content = parsed(parser, document)["output"].at(0)["content"].at(0).value();
    const dom::array logprobs = content["logprobs"].get_array().value();
    CHECK(logprobs.at(0)["top_logprobs"].get_array().value().size() == 1);
    std::string text;
    for (dom::element token : logprobs) text += token["token"].get_string().value();
    CHECK(text.starts_with("Hello"));
    CHECK(text.find("yyy") == std::string::npos);
}

TEST_CASE("responses_renderer: ids are the same wherever they stand, and no two responses'") {
    Response response;
    response.style.stream = true;
    std::string before;
    for (int i = 0; i < 2; i++) {
        const std::string bytes = response.bytes("a", FinishReason::length);
        const std::string id = bytes.substr(bytes.find("resp_"), 37);
        CHECK(id != before);
        before = id;
        const std::string item = bytes.substr(bytes.find("msg_"), 40);
        for (size_t at = 0; (at = bytes.find("msg_", at)) != std::string::npos; at++)
            CHECK(bytes.substr(at, 40) == item);
        for (size_t at = 0; (at = bytes.find("resp_", at)) != std::string::npos; at++)
            CHECK(bytes.substr(at, 37) == id);
    }
}
