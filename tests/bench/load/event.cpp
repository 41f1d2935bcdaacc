#include "tests/bench/load/event.h"

#include <charconv>
#include <cstddef>

namespace qwend::load {

namespace {

constexpr auto kNone = std::string_view::npos;

/// Where the string ends whose first byte is at `begin`: at its closing quote.
size_t end_of_string(std::string_view json, size_t begin) {
    for (size_t quote = begin; (quote = json.find('"', quote)) != kNone; quote++) {
        size_t backslashes = 0;
        while (quote - backslashes > begin && json[quote - backslashes - 1] == '\\') backslashes++;
        if (backslashes % 2 == 0) return quote;
    }
    return kNone;
}

size_t skip_spaces(std::string_view json, size_t at) {
    while (at < json.size() && (json[at] == ' ' || json[at] == '\t')) at++;
    return at;
}

/// Takes in members one after the other, whichever object they are of.
struct EventReader {
    std::string_view json;
    Event event;
    bool ended = false, has_role = false, has_more = false;  // more: reasoning or calls

    char byte(size_t at) const { return at < json.size() ? json[at] : '\0'; }

    /// The string that begins at `at`, or nothing.
    std::string_view string_at(size_t at) const {
        if (byte(at) != '"') return {};
        const size_t end = end_of_string(json, at + 1);
        return end == kNone ? std::string_view() : json.substr(at + 1, end - at - 1);
    }

    void number_at(size_t at, int& out) const {
        std::from_chars(json.data() + at, json.data() + json.size(), out);
    }

    void member(std::string_view key, size_t at) {
        const char first = byte(at);
        if (key == "text" || key == "content") {
            if (event.text.empty()) event.text = string_at(at);
        } else if (key == "choices") {
            event.has_choice = first == '[' && byte(skip_spaces(json, at + 1)) != ']';
        } else if (key == "finish_reason") {
            ended = first == '"';
        } else if (key == "role") {
            has_role = first == '"';
        } else if (key == "reasoning" || key == "reasoning_content") {
            has_more |= !string_at(at).empty();
        } else if (key == "tool_calls") {
            has_more |= first == '[' && byte(at + 1) != ']';
        } else if (key == "token_ids") {
            if (first == '[') event.token_ids = json.substr(at + 1, json.find(']', at) - at - 1);
        } else if (key == "completion_tokens") {
            number_at(at, event.completion_tokens);
        } else if (key == "prompt_tokens") {
            number_at(at, event.prompt_tokens);
        } else if (key == "cached_tokens") {
            number_at(at, event.cached_tokens);
        } else if (key == "error") {
            event.is_error = first == '{' || first == '"';
        }
    }
};

}  // namespace

Event read_event(std::string_view json) {
    EventReader reader{json, {}};
    for (size_t at = 0; (at = json.find('"', at)) != kNone;) {
        const size_t end = end_of_string(json, at + 1);
        if (end == kNone) break;
        const size_t colon = skip_spaces(json, end + 1);
        if (reader.byte(colon) == ':')
            reader.member(json.substr(at + 1, end - at - 1), skip_spaces(json, colon + 1));
        at = end + 1;
    }
    Event& event = reader.event;
    const bool has_tokens = !event.token_ids.empty();
    event.has_output = event.has_choice && (!event.text.empty() || reader.has_more || has_tokens ||
                                            (!reader.ended && !reader.has_role));
    if (event.has_choice) event.is_error = false;
    return event;
}

}  // namespace qwend::load
