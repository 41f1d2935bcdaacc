#pragma once

#include <string>
#include <string_view>

namespace qwend::load {

/// What a load generator needs to know of one event of a streamed completion or chat. Views are
/// into the event's text.
struct Event {
    bool has_choice = false;
    bool has_output = false;  // text, reasoning or a tool call, or a token whose text comes later
    bool is_error = false;
    std::string_view text;       // as it stands in the JSON: escaped, without quotes
    std::string_view token_ids;  // what is between the brackets
    int prompt_tokens = -1, cached_tokens = -1, completion_tokens = -1;  // < 0: not said
};

/// Reads the JSON of one event, in one pass over its bytes and without checking it: at 100,000
/// tokens a second a parser would be what is measured. Of the many fields of a chunk it looks at
/// those above, of OpenAI's dialect as qwend, vLLM, SGLang, TensorRT-LLM and llama.cpp speak it.
///
/// A chunk with a choice counts as output, as it does for `vllm bench serve`, with two exceptions
/// that carry no token: the chunk that opens a chat (a role and no text), with which a server could
/// claim a first token it does not have, and the one that only says why the answer ended.
Event read_event(std::string_view json);

/// Cuts a stream of server-sent events, in whatever pieces it comes, into the data of its events.
class EventSplitter {
  public:
    /// Calls `on_data(std::string_view)` for each event of one line, which is how every server
    /// writes JSON; [DONE] and comments are left out.
    template <class OnData>
    void feed(std::string_view bytes, OnData&& on_data) {
        if (!partial_.empty()) {
            const size_t end = bytes.find('\n');
            partial_.append(bytes.substr(0, end));
            if (end == bytes.npos) return;
            on_line(partial_, on_data);
            partial_.clear();
            bytes.remove_prefix(end + 1);
        }
        for (size_t end; (end = bytes.find('\n')) != bytes.npos; bytes.remove_prefix(end + 1))
            on_line(bytes.substr(0, end), on_data);
        partial_.assign(bytes);
    }
    void clear() { partial_.clear(); }

  private:
    template <class OnData>
    static void on_line(std::string_view line, OnData& on_data) {
        constexpr std::string_view kData = "data:";
        if (!line.starts_with(kData)) return;
        line.remove_prefix(kData.size());
        if (const size_t brace = line.find_first_not_of(' ');
            brace != line.npos && line[brace] == '{')
            on_data(line.substr(brace));
    }

    std::string partial_;  // a line whose end is still to come
};

}  // namespace qwend::load
