#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/json_scanner.h"

namespace qwend {

/// A part of what ToolCallParser found. Parts of one kind that follow each other are one.
struct ToolPiece {
    enum class Kind {
        text,
        call,       // a call begins; `text` is the function's name
        arguments,  // more of its arguments, JSON as the model wrote it
        call_end,   // it is complete; `text` is empty
        call_cut,   // the end came before; `text` is the whole call as it was generated
    };
    Kind kind;
    std::string text;
};

/// Finds calls of Qwen2.5's form in streamed text: <tool_call>\n{"name":…,"arguments":{…}}\n
/// </tool_call>. The JSON says where a call ends, not the tag, so that the tag may stand in an
/// argument; the tag may also be missing. A call begins as soon as its name is known and its
/// arguments have begun: from then on they are passed on as they come, and whatever is wrong with
/// them later is the reader's to see. What turns out to be no call before that comes out as the
/// text it is. White space around calls is dropped. The pieces' texts, joined, are the same however
/// the text is split; time is linear in it, and what is held back is bounded, but for arguments
/// that come before the name or inside a string.
class ToolCallParser {
  public:
    /// Without `keep_tags` the tags of what is no call are left out of the text.
    explicit ToolCallParser(bool keep_tags = true) : keep_tags_(keep_tags) {}

    void push(std::string_view text, std::vector<ToolPiece>& pieces);
    void finish(std::vector<ToolPiece>& pieces);  // the end has come: what is held back
    int n_calls() const { return n_calls_; }      // that have begun

  private:
    enum class State {
        text,
        opened,     // after <tool_call>
        head,       // in the call's object, before it is sure that it is a call
        arguments,  // in arguments that are passed on
        malformed,  // the same, but they are no JSON: until a tag
        tail,       // in the object, after the arguments
        closing,    // after the object: the closing tag should come
    };
    enum class Tag { no, partly, yes };

    void run();
    bool step();  // false: more text is needed
    bool text_step();
    bool opened_step();
    void head_step();
    void arguments_step();
    bool malformed_step();
    void tail_step();
    bool closing_step();

    Tag tag_at(size_t at, std::string_view tag) const;
    void open_tag();
    void not_a_call();
    bool begin_value(char c);
    bool end_value();
    void begin_call();
    void end_call();
    void emit(ToolPiece::Kind kind, std::string_view text);
    void emit_until(ToolPiece::Kind kind, size_t end);
    std::string_view slice(size_t begin, size_t end) const {
        return std::string_view(buffer_).substr(begin, end - begin);
    }

    bool keep_tags_;
    State state_ = State::text;
    int n_calls_ = 0;
    std::vector<ToolPiece>* out_ = nullptr;  // of the push in progress

    // What has not been passed on yet; the positions below are in it.
    std::string buffer_;
    size_t at_ = 0;         // the next byte to look at
    size_t emitted_ = 0;    // passed on, or dropped
    size_t solid_end_ = 0;  // what is before may be passed on; then comes white space, or a tag
    size_t tag_begin_ = 0, tag_end_ = 0;  // of the opening tag, or of several in a row

    // The call being read.
    JsonScanner scanner_;
    size_t key_begin_ = 0, value_begin_ = 0;
    std::string key_, name_, arguments_;  // of the call's own object
    std::string call_text_;               // of a call that has begun, with its tag
    bool in_value_ = false;               // of one of these two
    bool has_name_ = false, has_arguments_ = false;
};

}  // namespace qwend
