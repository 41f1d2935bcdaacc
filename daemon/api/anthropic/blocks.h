#pragma once

#include <string>
#include <string_view>

namespace qwend {

/// A kind of content block, and where in it and in its deltas the content stands.
struct BlockKind {
    std::string_view type, member;
    std::string_view delta, delta_member;
    bool is_text = true;     // the member is a string that grows; else it is JSON
    bool is_signed = false;  // a signature follows it, which clients send back unread
};
inline constexpr BlockKind kThinkingBlock = {"thinking", "thinking", "thinking_delta",
                                             "thinking", true,       true};
inline constexpr BlockKind kTextBlock = {"text", "text", "text_delta", "text"};
inline constexpr BlockKind kToolUseBlock = {"tool_use", "input", "input_json_delta", "partial_json",
                                            false};

/// Writes the content blocks of one message, one after the other, as events of a stream or as
/// elements of a document's array: a block ends where the next one begins.
class BlockWriter {
  public:
    explicit BlockWriter(bool is_stream) : is_stream_(is_stream) {}

    /// `members`: those of the block besides its content, each with a comma before it.
    void open(std::string& out, const BlockKind& kind, std::string_view members = {});
    /// More of the block that is open. In a document JSON comes whole.
    void add(std::string& out, std::string_view content);
    /// More text: in the block that is open if it is of that kind, else in one that it opens.
    void add_text(std::string& out, const BlockKind& kind, std::string_view text);
    void close(std::string& out);

    bool is_empty() const { return n_opened_ == 0; }

  private:
    void add_delta(std::string& out, std::string_view type, std::string_view member,
                   std::string_view content) const;

    const bool is_stream_;
    const BlockKind* kind_ = nullptr;  // of the block that is open
    bool has_content_ = false;
    int n_opened_ = 0;
};

}  // namespace qwend
