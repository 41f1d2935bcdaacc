#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qwend {

/// A function call the model made.
struct ToolCall {
    std::string id;  // "call_…"
    std::string name;
    std::string arguments;  // JSON text, as the model wrote it
};

/// Finds calls of Qwen2.5's form in streamed text: <tool_call>\n{"name":…,"arguments":{…}}\n
/// </tool_call>. Text that could be the beginning of one is held back; a malformed call comes out
/// as the text it is. White space around calls is dropped.
class ToolCallParser {
  public:
    struct Piece {
        std::string text;  // either text
        ToolCall call;     // or a call, if it has a name
    };
    std::vector<Piece> push(std::string_view text);
    std::vector<Piece> finish();
    int n_calls() const { return n_calls_; }

  private:
    void emit_text(std::vector<Piece>& pieces, std::string_view text);

    std::string held_;
    int n_calls_ = 0;
};

}  // namespace qwend
