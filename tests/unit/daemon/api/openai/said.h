#pragma once

#include <doctest/doctest.h>
#include <simdjson.h>

#include <string>
#include <utility>
#include <vector>

namespace qwend {

// Reads answers of OpenAI's dialect as a client would.

namespace dom = simdjson::dom;

inline std::string minified(dom::element value) {
    return simdjson::minify(value);
}

/// The data of a stream's events.
inline std::vector<std::string> data_of(const std::string& bytes) {
    std::vector<std::string> data;
    for (size_t at = 0, end; at < bytes.size(); at = end + 2) {
        end = bytes.find("\n\n", at);
        REQUIRE(end != std::string::npos);
        REQUIRE(bytes.substr(at, 6) == "data: ");
        data.push_back(bytes.substr(at + 6, end - at - 6));
    }
    return data;
}

/// Everything an answer says, however it was sent.
struct Said {
    struct Choice {
        std::string text, reasoning, finish_reason = "null", stop_reason = "null", token_ids,
                                     prompt_token_ids;
        std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
        std::vector<std::string> logprobs;                       // an entry or a list of each kind
    };
    std::vector<Choice> choices;
    std::string usage = "null", prompt_token_ids;
};

inline std::string joined(const std::string& list, const std::string& more) {
    const std::string inner = more.substr(1, more.size() - 2);
    return list + (list.empty() || inner.empty() ? "" : ",") + inner;
}

inline void add_logprobs(Said::Choice& choice, dom::element logprobs) {
    if (logprobs.is_null()) return;
    if (choice.logprobs.empty()) choice.logprobs.resize(4);
    dom::element content;
    if (!logprobs["content"].get(content)) {
        CHECK(logprobs["refusal"].is_null());
        choice.logprobs[0] = joined(choice.logprobs[0], minified(content));
        return;
    }
    size_t i = 0;
    for (const char* kind : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
        choice.logprobs[i] = joined(choice.logprobs[i], minified(logprobs[kind].value()));
        i++;
    }
}

/// The members that a stream's event and a document's choice have in common.
inline void add_choice(Said::Choice& choice, dom::element json) {
    dom::element member;
    add_logprobs(choice, json["logprobs"].value());
    if (!json["token_ids"].get(member))
        choice.token_ids = joined(choice.token_ids, minified(member));
    if (!json["prompt_token_ids"].get(member)) choice.prompt_token_ids += minified(member);
    if (!json["text"].get(member)) choice.text += member.get_string().value();
    if (!json["finish_reason"].is_null()) {
        choice.finish_reason = json["finish_reason"].get_string().value();
        choice.stop_reason = minified(json["stop_reason"].value());
    }
}

inline void add_message(Said::Choice& choice, dom::element message) {
    std::string_view text;
    if (!message["content"].get(text)) choice.text += text;
    std::string_view reasoning, same;
    if (!message["reasoning"].get(reasoning)) {
        choice.reasoning += reasoning;
        CHECK(message["reasoning_content"].get(same) == simdjson::SUCCESS);
        CHECK(reasoning == same);
    }
    dom::array calls;
    if (message["tool_calls"].get(calls)) return;
    for (dom::element call : calls) {
        dom::element function = call["function"].value();
        std::string_view name;
        if (!function["name"].get(name)) {
            CHECK(call["id"].get_string().value().starts_with("call_"));
            CHECK(call["type"].get_string().value() == "function");
            choice.calls.push_back({std::string(name), ""});
        }
        choice.calls.back().second += function["arguments"].get_string().value();
    }
}

inline Said read_stream(const std::string& bytes, int n_choices) {
    Said said;
    said.choices.resize(size_t(n_choices));
    REQUIRE(bytes.ends_with("data: [DONE]\n\n"));
    for (const std::string& data : data_of(bytes)) {
        if (data == "[DONE]") break;
        dom::parser parser;
        dom::element event, member;
        REQUIRE(parser.parse(data).get(event) == simdjson::SUCCESS);
        const dom::array choices = event["choices"].get_array().value();
        for (dom::element json : choices) {
            Said::Choice& choice = said.choices[size_t(json["index"].get_int64().value())];
            CHECK(choice.finish_reason == "null");
            add_choice(choice, json);
            if (!json["delta"].get(member)) add_message(choice, member);
        }
        if (!event["prompt_token_ids"].get(member)) said.prompt_token_ids += minified(member);
        if (!event["usage"].get(member)) said.usage = minified(member);
    }
    return said;
}

inline Said read_document(const std::string& bytes) {
    Said said;
    dom::parser parser;
    dom::element document, member;
    CAPTURE(bytes);
    REQUIRE(parser.parse(bytes).get(document) == simdjson::SUCCESS);
    const dom::array choices = document["choices"].get_array().value();
    for (dom::element json : choices) {
        CHECK(size_t(json["index"].get_int64().value()) == said.choices.size());
        Said::Choice& choice = said.choices.emplace_back();
        add_choice(choice, json);
        if (!json["message"].get(member)) {
            CHECK(member["role"].get_string().value() == "assistant");
            CHECK(member["refusal"].is_null());
            add_message(choice, member);
        }
    }
    if (!document["prompt_token_ids"].get(member)) said.prompt_token_ids = minified(member);
    said.usage = minified(document["usage"].value());
    return said;
}

}  // namespace qwend
