#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// Takes reasoning out of streamed text: what stands between <think> and </think> before the
/// answer. Newlines after either tag and before the closing one belong to neither, since templates
/// write their own. Only the first block counts, and only at the beginning: later tags are text.
/// The tags are looked for as text, be they tokens of their own or not. Reasoning that never closes
/// is all there is. The results, joined, are the same however the text is split; time is linear in
/// it; what is held back is at most a tag and some white space before it.
class ReasoningParser {
  public:
    ReasoningParser() = default;  // all is content
    /// `is_open`: the prompt ends within reasoning; else the text may open it.
    explicit ReasoningParser(bool is_open) : state_(is_open ? State::opened : State::begin) {}

    /// Appends what `text` adds to the reasoning and to the content.
    void push(std::string_view text, std::string& reasoning, std::string& content);
    /// The end has come: what is held back.
    void finish(std::string& reasoning, std::string& content);
    bool at_beginning() const { return state_ == State::begin; }  // it may still be opened
    bool in_reasoning() const { return state_ == State::opened || state_ == State::reasoning; }

  private:
    enum class State {
        begin,      // before anything but white space
        opened,     // in reasoning, before anything but newlines
        reasoning,  // in it
        closed,     // after it, before anything but newlines
        content,
    };

    bool step(std::string& reasoning, std::string& content);  // false: more text is needed
    bool begin_step();
    bool opened_step();
    bool reasoning_step(std::string& reasoning);

    State state_ = State::content;
    std::string held_;
    size_t at_ = 0;     // the next byte of it to look at
    size_t solid_ = 0;  // what is before is reasoning; then come newlines, or a tag
};

}  // namespace qwend
