#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/json_scanner.h"
#include "daemon/api/tool_parameters.h"
#include "daemon/api/tool_pieces.h"

namespace qwend {

/// Finds calls of Qwen2.5's form that have lost their tags, as Qwen2.5-Coder writes them whatever
/// its template says: ```json\n{"name":…,"arguments":{…}}\n``` or the object alone. Much that is no
/// call looks so. One is taken only at the beginning of an answer or right behind another one, with
/// these members in this order and the name of a tool that the request has; behind any other text
/// nothing is. As for the rest it is as HermesCallParser: what is held back is bounded, and comes
/// as the text it is where it turns out to be no call.
class UntaggedCallParser {
  public:
    /// `tools` outlives this; nullptr: there are none.
    explicit UntaggedCallParser(const ToolParameters* tools = nullptr)
        : tools_(tools), state_(tools ? State::beginning : State::text) {}

    void push(std::string_view text, std::vector<ToolPiece>& pieces);
    /// The end has come, or something that is no text: what is held back. Nothing is found later.
    void finish(std::vector<ToolPiece>& pieces);
    int n_calls() const { return n_calls_; }  // that have begun

  private:
    enum class State {
        beginning,  // white space, then a call or text
        head,       // in the object, up to its arguments
        arguments,  // that are passed on
        malformed,  // the same, but they are no JSON: until the fence
        tail,       // behind them, in the object
        closing,    // behind the object: a fence should come, or another call
        text,       // for good
    };
    void run();
    bool step();  // false: more text is needed
    bool beginning_step();
    void head_step();
    void arguments_step();
    bool malformed_step();
    void tail_step();
    bool closing_step();

    void name_step(char c);
    void open(size_t n_fence);
    void begin_text();
    void begin_call();
    void end_call();
    void emit_arguments_until(size_t end);

    const ToolParameters* tools_;
    State state_;
    int n_calls_ = 0;
    PieceText text_;

    // The call being read.
    bool fenced_ = false;
    size_t part_ = 0, n_matched_ = 0;  // of the head, and bytes of this part
    std::string name_;
    std::string call_text_;  // once it has begun, with its fence
    JsonScanner scanner_;    // in its arguments
};

}  // namespace qwend
