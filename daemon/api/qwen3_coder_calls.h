#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/parameter_value.h"
#include "daemon/api/tool_parameters.h"
#include "daemon/api/tool_pieces.h"

namespace qwend {

/// Finds calls of Qwen3-Coder's form in streamed text:
///
///     <tool_call>
///     <function=name>
///     <parameter=key>
///     value
///     </parameter>
///     </function>
///     </tool_call>
///
/// Arguments become one JSON object, value by value as ParameterValue has it; a value is what
/// stands between its tags without the one newline at either end. A call begins with its first
/// parameter, or its end if it has none; text that turns out to be no call before that comes out as
/// it is. As models leave tags out, <tool_call> may be missing, a parameter also ends where a line
/// begins with the next tag, and a call where anything else than a parameter follows. White space
/// around calls is dropped. The pieces' texts, joined, are the same however the text is split; time
/// is linear in it, and what is held back is bounded, but for values that may not be strings.
class Qwen3CoderCallParser {
  public:
    /// Without `keep_tags` the tags <tool_call> and </tool_call> of what is no call are left out of
    /// the text. `parameters` outlives the parser; nullptr: nothing is known of them.
    explicit Qwen3CoderCallParser(bool keep_tags = true, const ToolParameters* parameters = nullptr)
        : keep_tags_(keep_tags), parameters_(parameters) {}

    void push(std::string_view text, std::vector<ToolPiece>& pieces);
    void finish(std::vector<ToolPiece>& pieces);  // the end has come: what is held back
    int n_calls() const { return n_calls_; }      // that have begun

  private:
    enum class State {
        text,
        opened,       // after <tool_call>
        name,         // after <function=
        head,         // after the function's name, before it is sure that it is a call
        key,          // after <parameter=
        value_begin,  // before the newline that is no part of the value
        value,
        between,  // after a parameter
        closing,  // after the function: the closing tag should come
    };

    void run();
    bool step();  // false: more text is needed
    bool text_step();
    bool opened_step();
    bool name_step();
    bool head_step();
    bool key_step();
    bool value_begin_step();
    bool value_step();
    bool between_step();
    bool closing_step();

    bool read_name(std::string& name, bool& fails);
    void open_tag(std::string_view tag);
    void not_a_call();
    void begin_call();
    void begin_value();
    void end_value();
    void end_call();
    void pass(size_t end);
    std::string& arguments();

    bool keep_tags_;
    const ToolParameters* parameters_;
    State state_ = State::text;
    int n_calls_ = 0;

    PieceText text_;                      // the positions below are in it
    size_t tag_begin_ = 0, tag_end_ = 0;  // of the opening tag, or of several in a row
    size_t name_begin_ = 0;               // of a name or a key

    // The call being read.
    std::string name_, key_;
    std::string call_text_;  // of a call that has begun, with its tag
    ParameterValue value_;
    int n_parameters_ = 0;
    bool at_line_start_ = false;  // in a value
};

}  // namespace qwend
