#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/json_scanner.h"
#include "daemon/api/tool_pieces.h"

namespace qwend {

/// Finds calls of Qwen2.5's form in streamed text: <tool_call>\n{"name":…,"arguments":{…}}\n
/// </tool_call>. The JSON says where a call ends, not the tag, so that the tag may stand in an
/// argument; the tag may also be missing. A call begins as soon as its name is known and its
/// arguments have begun: from then on they are passed on as they come, and whatever is wrong with
/// them later is the reader's to see. What turns out to be no call before that comes out as the
/// text it is. White space around calls is dropped. The pieces' texts, joined, are the same however
/// the text is split; time is linear in it, and what is held back is bounded, but for arguments
/// that come before the name or inside a string.
class HermesCallParser {
  public:
    /// Without `keep_tags` the tags of what is no call are left out of the text.
    explicit HermesCallParser(bool keep_tags = true) : keep_tags_(keep_tags) {}

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
    void run();
    bool step();  // false: more text is needed
    bool text_step();
    bool opened_step();
    void head_step();
    void arguments_step();
    bool malformed_step();
    void tail_step();
    bool closing_step();

    void open_tag();
    void not_a_call();
    bool begin_value(char c);
    bool end_value();
    void begin_call();
    void end_call();
    void emit_arguments_until(size_t end);

    bool keep_tags_;
    State state_ = State::text;
    int n_calls_ = 0;

    PieceText text_;                      // the positions below are in it
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
