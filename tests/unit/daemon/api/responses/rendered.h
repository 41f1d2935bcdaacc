#pragma once

#include <doctest/doctest.h>
#include <simdjson.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/api/answer_body.h"
#include "daemon/api/responses/renderer.h"
#include "tests/unit/daemon/api/token_events.h"

namespace qwend {

// Responses to requests that were never sent, and how a client reads them.

namespace dom = simdjson::dom;

inline std::string minified(dom::element value) {
    return simdjson::minify(value);
}

/// A response on its way: its body, and where it is kept.
struct Response {
    ResponseStyle style;
    Generation generation;
    const ModelText* model = &demo();
    std::shared_ptr<ResponseStore> store = std::make_shared<ResponseStore>(1 << 20);

    AnswerBody body() const {
        Generation asked = generation;
        asked.whole_calls = !style.stream;
        return AnswerBody(*model, std::move(asked), {{5, 6, 7}}, response_renderer(style, store));
    }
    std::string bytes(const std::vector<TokenEvent>& events) const {
        AnswerBody answer = body();
        std::string out;
        for (const TokenEvent& event : events) {
            if (answer.choices().done()) break;
            answer.on_event(0, event);
            answer.take(out);
        }
        do answer.take(out);
        while (answer.behind());
        return out;
    }
    std::string bytes(const std::string& text, FinishReason finish) const {
        return bytes(events_of(ids_of(text), finish));
    }
};

/// One that may call the function that token_events.h calls.
inline Response with_tools(std::vector<ResponseTool> tools = {}) {
    Response response;
    response.generation.chat_options.tools = {"{}"};
    response.style.tools = std::move(tools);
    return response;
}

struct StreamEvent {
    std::string name, data;
};

/// The events of a stream, whose names are said twice and whose numbers count from 0.
inline std::vector<StreamEvent> events_in(const std::string& bytes) {
    std::vector<StreamEvent> events;
    for (size_t at = 0, end; at < bytes.size(); at = end + 2) {
        end = bytes.find("\n\n", at);
        REQUIRE(end != std::string::npos);
        const std::string event = bytes.substr(at, end - at);
        const size_t line = event.find('\n');
        REQUIRE(event.starts_with("event: response."));
        REQUIRE(event.substr(line, 7) == "\ndata: ");
        StreamEvent read{event.substr(7, line - 7), event.substr(line + 7)};
        dom::parser parser;
        dom::element data;
        REQUIRE(parser.parse(read.data).get(data) == simdjson::SUCCESS);
        CHECK(data["type"].get_string().value() == read.name);
        CHECK(data["sequence_number"].get_int64().value() == int64_t(events.size()));
        events.push_back(std::move(read));
    }
    return events;
}

/// `json` with what is random in it, the ids, and what depends on the clock, made the same.
inline std::string anonymous(std::string json) {
    for (const char* prefix : {":\"resp_", ":\"msg_", ":\"fc_", ":\"rs_", ":\"ctc_", ":\"call_"})
        for (size_t at = 0; (at = json.find(prefix, at)) != std::string::npos;) {
            at += std::string_view(prefix).size();
            const size_t end = json.find('"', at);
            const size_t kept = end - at == 36 ? 4 : 0;  // the place of an item
            json.replace(at, end - at - kept, kept ? "#" : "");
        }
    const size_t created = json.find("\"created_at\":");
    if (created != std::string::npos) {
        const size_t end = json.find(',', created);
        json.replace(created, end - created, "\"created_at\":0");
    }
    return json;
}

}  // namespace qwend
